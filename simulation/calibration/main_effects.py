"""Main effects of a fit: what holds over a log's whole traffic, each with its interval."""

from dataclasses import dataclass

import numpy as np

from .design import Design
from .evidence import Evidence, Floats
from .examined_logit import Fit


@dataclass(frozen=True)
class Effect:
    """A fitted number with its 95% interval."""

    name: str
    mean: float
    low: float
    high: float


def main_effects(evidence: Evidence, looks: Design, clicks: Design, fit: Fit) -> list[Effect]:
    """Effects averaged over the log: slots by channel, channels, hours, intents, fatigue, appeals and wording.

    Appeals differ by segment and category: their main effect is the mean over the log's rows.
    """
    split, size = len(looks.labels), len(looks.labels) + len(clicks.labels)
    rows: list[Floats] = []
    names: list[str] = []

    def unit(*at: int) -> Floats:
        row = np.zeros(size)
        row[list(at)] = 1.0
        return row

    if "look" in looks.blocks:
        slots = evidence.slots - 1
        for c, channel in enumerate(evidence.channels):
            for i in range(slots):
                by_channel = looks.blocks.get("look by channel")
                rows.append(unit(i, *([] if by_channel is None else [by_channel.start + c * slots + i])))
                names.append(f"look: {channel}, slot {i + 2}")
    for block in ("channel", "hour, cos", "hour, sin", "intent", "interest", "fatigue", "wording"):
        if block in clicks.blocks:
            for at in range(*clicks.blocks[block].indices(len(clicks.labels))):
                rows.append(unit(split + at))
                names.append(clicks.labels[at])
    if "appeal" in clicks.blocks:
        category = np.array(evidence.catalog.category_of)[evidence.product]
        segment = evidence.segment_of[evidence.user]
        for k, at in enumerate(range(*clicks.blocks["appeal"].indices(len(clicks.labels)))):
            row = unit(split + at)
            for block, code, width in (
                ("segment x appeal", segment, len(evidence.segments)),
                ("category x appeal", category, len(evidence.catalog.categories)),
            ):
                share = np.bincount(code, minlength=width) / len(code)
                first = split + clicks.blocks[block].start + k * width
                row[first : first + width] = share
            rows.append(row)
            names.append(clicks.labels[at])
    if not rows:
        return []
    mean, error = fit.contrast(np.stack(rows))
    return [Effect(n, m, m - 1.96 * e, m + 1.96 * e) for n, m, e in zip(names, mean, error, strict=True)]
