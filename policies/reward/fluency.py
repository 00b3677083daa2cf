"""Whether a text reads well: as likely, to a frozen writer that is asked for it, as the catalog's own ads are.

What is garbled is unlikely, on the whole or in one place: both are looked at, the mean of all tokens and of the worst
few in a row, each held against human lines. A word that is none does not read well either, where the writer knows
which words it has read. It is a gate and no term: a text that passes earns nothing by being likelier still, so that
fluency cannot be traded for clicks, nor clicks for platitudes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...simulation.data.catalog import Creative
from ..writer.reading import FrozenReader

FEW = 20
"""Human lines without which nothing is known of how likely they are."""


class Fluency:
    """Judges texts by a frozen reader's word."""

    def __init__(self, reader: FrozenReader, limits: tuple[float, float]) -> None:
        """Sets what passes.

        Args:
            reader: a writer that was not tuned yet.
            limits: most nats a token of a text, and of its worst window.
        """
        self._reader, self.limits = reader, limits

    @classmethod
    def of(cls, reader: FrozenReader, human: Sequence[Creative], share: float) -> "Fluency | None":
        """Held against human lines, of which a share is likely enough; None where there are too few of them."""
        if len(human) < FEW:
            return None
        # If no line fails both limits, the share passes both; a little more, if some do.
        limits = reader.nats(human).quantile((1 + share) / 2, dim=0).tolist()
        return cls(reader, (limits[0], limits[1]))

    def by(self, reader: FrozenReader) -> "Fluency":
        """The same limits, by the word of the same reader about another catalog (`FrozenReader.about`)."""
        return Fluency(reader, self.limits)

    def failures(self, creatives: Sequence[Creative]) -> Tensor:
        """[n] bool, whether a text is less likely than human lines are, or has a word that is none."""
        unlikely = (self._reader.nats(creatives) > torch.tensor(self.limits)).any(1)
        unread = self._reader.unread(creatives)
        return unlikely if unread is None else unlikely | (unread[:, 0] > 0)
