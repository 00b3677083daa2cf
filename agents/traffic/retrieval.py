"""Retrieval before placement: an agent chooses among the creatives that answer a visitor's query best."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...simulation.data.errors import InputError
from ...simulation.visits import Impressions
from ..agent import Decision, PlacementAgent
from .wrapper import Wrapper, joined

if TYPE_CHECKING:
    from ...simulation.data.catalog import Creative
    from ...simulation.text.queries import Queries


class Retrieval(Wrapper):
    """Any agent, offered for each visitor the n candidates that answer the query best; all where nothing is asked.

    Which candidates are offered follows from the query alone, so the agent's propensities stay what they are.
    """

    kind = "retrieval"

    def __init__(self, agent: PlacementAgent, queries: "Queries", creatives: "Sequence[Creative]", n: int) -> None:
        """Puts retrieval before an agent.

        Args:
            agent: chooses among what is offered.
            queries: what visitors may ask; `Impressions.query` counts them.
            creatives: the world's, which candidates are indices into; may grow.
            n: offered to each visitor, at least as many as there are slots.
        """
        super().__init__(agent)
        self.queries, self.creatives, self.n = queries, creatives, max(n, agent.slots)
        self._candidates, self._places = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 0, dtype=torch.int64)

    def act(self, impressions: Impressions, candidates: Tensor, opened: Tensor | None = None) -> Decision:
        """See `PlacementAgent.act`; visitors with one query are served together.

        Where fewer of the best answers are open to a visitor than there are slots, all that are open are offered.
        """
        made, places = [], []
        for rows, offered in self._groups(impressions, candidates):
            some = None if opened is None else opened[rows][:, offered]
            if opened is not None and some is not None and bool((some.sum(1) < self.slots).any()):
                offered, some = slice(None), _wider(some, opened[rows], offered, self.slots)
            made.append(self.agent.act(impressions[rows], candidates[offered], some))
            places.append(rows)
        return joined(made, places)

    def expected_worth(self, impressions: Impressions, candidates: Tensor) -> Tensor:
        """See `PlacementAgent.expected_worth`: of the best slate among what is offered."""
        worth = torch.zeros(len(impressions), device=self.device)
        for rows, offered in self._groups(impressions, candidates):
            worth[rows] = self.agent.expected_worth(impressions[rows], candidates[offered])
        return worth

    def _groups(self, impressions: Impressions, candidates: Tensor) -> list[tuple[Tensor, Tensor | slice]]:
        """Rows of visitors with one query, and the places of the candidates that answer it."""
        best = self._offer(candidates)
        return [
            ((impressions.query == query).nonzero().squeeze(1), slice(None) if query < 0 else best[query])
            for query in impressions.query.unique().tolist()
        ]

    def settings(self) -> dict[str, Any]:
        """See `Wrapper.settings`: how many are offered, and which product answers what."""
        return {"n": self.n, "products": {p.product_id: p.category for p in self.queries.catalog.products}}

    @classmethod
    def restore(cls, agent: PlacementAgent, settings: dict[str, Any]) -> "Retrieval":
        """See `Wrapper.restore`; queries and creatives are those of the agent's labels."""
        from ...simulation.data.catalog import Catalog, Product
        from ...simulation.text.queries import Queries

        if agent.labels is None:
            raise InputError("retrieval: the saved agent does not say what may be asked; save it again with labels")
        products = [Product(name, name, category, 0.0) for name, category in settings["products"].items()]
        queries = Queries(Catalog(products, queries=agent.labels.queries))
        return cls(agent, queries, agent.labels.creatives, settings["n"])

    def _offer(self, candidates: Tensor) -> Tensor:
        """[Q, n] places among the candidates by query, kept until these change."""
        if not torch.equal(self._candidates, candidates):
            known = [self.creatives[i] for i in candidates.tolist()]
            self._places = self.queries.retrieve(known, self.n).to(candidates.device)
            self._candidates = candidates.clone()
        return self._places


def _wider(some: Tensor, opened: Tensor, offered: Tensor | slice, slots: int) -> Tensor:
    """[B, K] what is open among all candidates: the offered ones, or all that are open to whom these are too few."""
    mask = torch.zeros_like(opened)
    mask[:, offered] = some
    return torch.where(some.sum(1, keepdim=True) < slots, opened, mask)
