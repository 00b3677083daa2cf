"""Retrieval before placement: an agent chooses among the creatives that answer a visitor's query best."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...simulation.data.catalog import Creative
from ...simulation.text.queries import Queries
from ...simulation.visitors.traffic import Impressions
from ..agent import Decision, PlacementAgent
from .wrapper import Wrapper


class Retrieval(Wrapper):
    """Any agent, offered for each visitor the n candidates that answer the query best; all where nothing is asked.

    Which candidates are offered follows from the query alone, so the agent's propensities stay what they are.
    """

    def __init__(self, agent: PlacementAgent, queries: Queries, creatives: Sequence[Creative], n: int) -> None:
        """Puts retrieval before an agent.

        Args:
            agent: chooses among what is offered.
            queries: what visitors may ask; `Impressions.query` counts them.
            creatives: the world's, which candidates are indices into; may grow.
            n: offered to each visitor, at least as many as there are slots.
        """
        super().__init__(agent)
        self.queries, self.creatives, self.n = queries, creatives, max(n, agent.slots)
        self._candidates, self._offered = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 0, dtype=torch.int64)

    def act(self, impressions: Impressions, candidates: Tensor) -> Decision:
        """See `PlacementAgent.act`; visitors with one query are served together."""
        offered, made, places = self._offer(candidates), [], []
        for query in impressions.query.unique().tolist():
            rows = (impressions.query == query).nonzero().squeeze(1)
            made.append(self.agent.act(impressions[rows], candidates if query < 0 else offered[query]))
            places.append(rows)
        order = torch.cat(places).argsort()
        return Decision(
            torch.cat([decision.slates for decision in made])[order],
            _joined([decision.propensities for decision in made], order),
            _joined([decision.numbers for decision in made], order),
        )

    def _offer(self, candidates: Tensor) -> Tensor:
        """[Q, n] creative indices by query, kept until the candidates change."""
        if not torch.equal(self._candidates, candidates):
            known = [self.creatives[i] for i in candidates.tolist()]
            self._offered = candidates[self.queries.retrieve(known, self.n).to(candidates.device)]
            self._candidates = candidates.clone()
        return self._offered


def _joined(parts: Sequence[Tensor | None], order: Tensor) -> Tensor | None:
    known = [part for part in parts if part is not None]
    return torch.cat(known)[order] if len(known) == len(parts) else None
