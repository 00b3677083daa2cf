"""Whether a text reads well: as likely, to a frozen writer that is asked for it, as the catalog's own ads are.

What is garbled is unlikely, on the whole or in one place: both are looked at, the mean of all tokens and of the worst
few in a row, each held against human lines. It is a gate and no term: a text that passes earns nothing by being
likelier still, so that fluency cannot be traded for clicks, nor clicks for platitudes.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from ...simulation.data.catalog import Catalog, Creative
from ..writer.likelihood import token_log_probs
from ..writer.writer import Writer, prompt

WINDOW = 3
"""Tokens in a row, of which the worst are looked at."""
FEW = 20
"""Human lines without which nothing is known of how likely they are."""


class Fluency:
    """Judges texts by a copy of a writer, as it is when this is made."""

    def __init__(self, writer: Writer, catalog: Catalog, limits: tuple[float, float]) -> None:
        """Keeps a frozen copy of the writer.

        Args:
            writer: that was not tuned yet.
            catalog: whose products are asked for.
            limits: most nats a token of a text, and of its worst window.
        """
        model = copy.deepcopy(writer.model).requires_grad_(False).eval()
        self.judge = Writer(model, writer.tokenizer, writer.config)
        self.catalog, self.limits = catalog, limits

    @classmethod
    def of(cls, writer: Writer, catalog: Catalog, human: Sequence[Creative], share: float) -> "Fluency | None":
        """Held against human lines, of which a share passes; None where there are too few of them."""
        if len(human) < FEW:
            return None
        judge = cls(writer, catalog, (0.0, 0.0))
        # Both limits are passed by the share, if what fails one fails the other too; by less, if not.
        limits = judge.nats(human).quantile((1 + share) / 2, dim=0).tolist()
        judge.limits = (limits[0], limits[1])
        return judge

    def nats(self, creatives: Sequence[Creative]) -> Tensor:
        """[n, 2] nats a token of each text, and of its worst `WINDOW` tokens in a row."""
        # Texts are judged as lines for everyone: the audience is what the effect model reads.
        order = sorted(range(len(creatives)), key=lambda i: (creatives[i].product_id, len(creatives[i].text)))
        asked = [prompt(self.catalog[creatives[i].product_id]) for i in order]
        scored = token_log_probs(self.judge, asked, [creatives[i].text for i in order])
        out = torch.zeros(len(creatives), 2)
        for i, log_probs in zip(order, scored, strict=True):
            windows = log_probs.unfold(0, min(WINDOW, len(log_probs)), 1).mean(1)
            out[i] = torch.stack([-log_probs.mean(), -windows.min()])
        return out

    def failures(self, creatives: Sequence[Creative]) -> Tensor:
        """[n] bool, whether a text is less likely than human lines are."""
        return (self.nats(creatives) > torch.tensor(self.limits)).any(1)
