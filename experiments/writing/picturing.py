"""Which picture each text stands beside: the first, the best for the text that was chosen, or the best pair of both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...policies.reward.diversity import vendi
from ...policies.reward.reward import Reward
from ...policies.reward.scored_texts import ScoredTexts
from ...policies.reward.select import choose
from ...simulation.data.catalog import Catalog, Creative
from ..study.study import Study
from .options import TuneOptions
from .verdict import Verdict, judge, lifts

TEXTS = 8
"""Best texts of each prompt that are tried beside every picture of its product."""
WAYS = ("text alone", "picture alone", "one after the other", "jointly")


@dataclass(frozen=True)
class Pairs:
    """Texts that a reward has scored, each beside every picture of its product; see `select.Scored`."""

    texts: list[Creative]
    group: Tensor
    quality: Tensor
    failures: Tensor
    pattern: Tensor
    reward: Reward

    @classmethod
    def of(cls, scored: ScoredTexts, catalog: Catalog, kept: int) -> "Pairs":
        """The best `TEXTS` of each prompt, of those that fail the fewest checks.

        Args:
            scored: texts beside first pictures.
            catalog: its products have the pictures.
            kept: texts that each prompt keeps; a text competes for one of their places, with all its pictures.
        """
        rows, images = _best_rows(scored, -(-TEXTS // kept) * kept), {}
        for product in catalog.products:
            images[product.product_id] = product.images or ("",)
        order: list[tuple[int, str]] = []
        for group in rows:
            for start in range(0, len(group), kept):
                block = group[start : start + kept]
                order += [(row, image) for image in images[scored.texts[block[0]].product_id] for row in block]
        index = torch.tensor([row for row, _ in order])
        pairs = [replace(scored.texts[row], image=image) for row, image in order]
        alone = list(dict.fromkeys(row for row, _ in order))
        first = dict(zip(alone, scored.reward.worth([scored.texts[row] for row in alone]), strict=True))
        gained = scored.reward.worth(pairs) - torch.stack([first[row] for row, _ in order])
        return cls(
            pairs,
            scored.group[index],
            scored.quality[index] + gained,
            scored.failures[index],
            scored.pattern[index],
            scored.reward,
        )

    def encode(self, creatives: Sequence[Creative]) -> Tensor:
        """The reward's."""
        return self.reward.encode(creatives)


def _best_rows(scored: ScoredTexts, most: int) -> list[list[int]]:
    """For each prompt, rows of different texts, the best first."""
    worth = scored.quality - 1000.0 * scored.failures
    found: list[dict[str, int]] = [{} for _ in range(int(scored.group.max()) + 1)]
    for row in worth.argsort(descending=True, stable=True).tolist():
        of_prompt = found[int(scored.group[row])]
        if len(of_prompt) < most:
            of_prompt.setdefault(scored.texts[row].text, row)
    return [list(rows.values()) for rows in found]


def best_pictures(creatives: Sequence[Creative], catalog: Catalog, reward: Reward) -> list[Creative]:
    """Each creative beside the picture of its product that the effect model expects most of."""
    tried = [replace(c, image=image) for c in creatives for image in catalog[c.product_id].images or ("",)]
    worth, found, at = reward.worth(tried), [], 0
    for creative in creatives:
        n = max(1, len(catalog[creative.product_id].images))
        found.append(tried[at + int(worth[at : at + n].argmax())])
        at += n
    return found


def picture_texts(
    study: Study, options: TuneOptions, scored: ScoredTexts, untuned: Sequence[Creative], tuned: Sequence[Creative]
) -> tuple[list[Creative], dict[str, Any]]:
    """The tuned writer's texts, each with its picture, chosen jointly, and what each way of choosing is worth.

    Args:
        study: with pictures.
        options: texts a prompt, and how diverse they have to be.
        scored: all that was scored while tuning and after.
        untuned: the untuned writer's texts, beside first pictures.
        tuned: the texts that were chosen, likewise.

    Returns:
        As many creatives as `tuned`, and by way the gold lifts over the untuned writer's texts beside first pictures;
        `jointly_more` is the reward of choosing jointly over choosing one after the other, by user.
    """
    assert study.pictures is not None
    catalog, reward, kept = study.catalog, scored.reward, options.writing.samples
    pairs = Pairs.of(scored, catalog, kept)
    choice = choose(pairs, kept, options.choosing.keep_diversity * vendi(reward.encode(untuned)))
    ways = {
        "text alone": list(tuned),
        "picture alone": best_pictures(untuned, catalog, reward),
        "one after the other": best_pictures(tuned, catalog, reward),
        "jointly": [pairs.texts[row] for row in choice.rows.tolist()],
    }
    verdicts = {name: judge(study.world, texts) for name, texts in ways.items()}
    first = judge(study.world, untuned)

    def over(one: Verdict, other: Verdict) -> dict[str, Any]:
        rng = np.random.default_rng(options.run.seed)
        return lifts(one.by_user, other.by_user, options.conversion_value, rng)

    told = {
        "ways": {name: over(verdict, first) for name, verdict in verdicts.items()},
        "jointly_more": over(verdicts["jointly"], verdicts["one after the other"])["reward"],
        "pictures": len(study.pictures.gallery),
        "drawn": study.pictures.drawn,
        "seen_by": study.pictures.table.seen_by,
        "changed": float(np.mean([c.image != catalog.image_of(replace(c, image="")) for c in ways["jointly"]])),
    }
    return ways["jointly"], told
