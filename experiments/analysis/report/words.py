"""Words of the field that stand in a report, and what they mean; `docs/glossary.md` has these and more."""

import re
from collections.abc import Iterator, Sequence

from ..drawing.sections import Section, Table

WORDS = {
    "CTR": "clicks an impression",
    "CVR": "conversions a click",
    "gold": "the world's true response. It judges; nothing learns from it",
    "effect model": "what is learned from logged clicks of what a creative does; the reward is made of it, and it errs",
    "proxy": "the effect model's word on a text, where the gold's is meant to stand",
    "reward": "weighted clicks, conversions and novelty, less penalties; in standard deviations of the untuned writer",
    "garbled": "copy that is not English; half of the simulated users would not take it in",
    "novelty": "how unlike a text is to the others written in its batch",
    "Vendi score": (
        "the effective number of different texts in a set; shown relative to the untuned writer's, or to the number of "
        "texts"
    ),
    "KL": (
        "how far the tuned writer's distribution is from the untuned one's, in nats: natural logarithms, 0.69 to a bit"
    ),
    "log-loss": "mean surprise, in nats, at what visitors did, for one who believes a model; lower is better",
    "AUC": "how often a model puts a showing that was clicked above one that was not; 0.5 is chance",
    "segment": "a group of visitors of like taste",
    "slot": "a place on a page, counted from the top",
    "capture": "share that an agent earned of what the best slates earn beyond uniform placement, learning included",
    "regret": "what the best slates would have earned, less what was earned",
    "propensities": "how likely it was that what was shown would be shown",
    "ESS": "effective sample size: how many rows of equal weight would say as much as the weighted log",
    "DR": "doubly robust: weights by propensity, with a model of the reward beside them",
    "IPS": "inverse propensity scoring: earnings weighted by how much more often the policy would have shown it",
}


def words(sections: Sequence[Section]) -> Section | None:
    """The words that stand in sections; None where none does."""
    said = " ".join(part for section in sections for part in _said(section))
    rows = [[word, meaning] for word, meaning in WORDS.items() if re.search(rf"\b{word}s?\b", said, re.IGNORECASE)]
    return (
        Section("Words", tables=[Table("What they mean here", ["Word", "Meaning"], rows, prose=True)]) if rows else None
    )


def _said(section: Section) -> Iterator[str]:
    yield from (section.title, *section.text, *section.alarms)
    yield from (plot.caption for plot in section.plots)
    for table in section.tables:
        yield from (table.caption, *table.columns, *(row[0] for row in table.rows))
