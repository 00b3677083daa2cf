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


@dataclass(frozen=True)
class Pairs:
    """Texts that a reward has scored, each beside the picture with which it is worth most; see `select.Scored`.

    Whether a text is sound, and how it differs from others, does not depend on its picture: the best pairs are among
    these.
    """

    texts: list[Creative]
    group: Tensor
    quality: Tensor
    failures: Tensor
    refused: Tensor
    pattern: Tensor
    reward: Reward

    @classmethod
    def of(cls, scored: ScoredTexts, catalog: Catalog) -> "Pairs":
        """All that was scored beside first pictures; `catalog` has the others."""
        number = {text: i for i, text in enumerate(dict.fromkeys(scored.texts))}
        rows = torch.tensor([number[text] for text in scored.texts])
        best, gained = best_pictures(list(number), catalog, scored.reward)
        return cls(
            [best[row] for row in rows.tolist()],
            scored.group,
            scored.quality + gained[rows],
            scored.failures,
            scored.refused,
            scored.pattern,
            scored.reward,
        )

    def encode(self, creatives: Sequence[Creative]) -> Tensor:
        """The reward's."""
        return self.reward.encode(creatives)


def best_pictures(creatives: Sequence[Creative], catalog: Catalog, reward: Reward) -> tuple[list[Creative], Tensor]:
    """Each creative beside the picture of its product that the effect model expects most of.

    Returns:
        The creatives, and [n], how much more each is worth than beside its product's first picture.
    """
    tried = [replace(c, image=image) for c in creatives for image in catalog[c.product_id].images or ("",)]
    worth, found, gained, at = reward.worth(tried), [], [], 0
    for creative in creatives:
        n = max(1, len(catalog[creative.product_id].images))
        best = int(worth[at : at + n].argmax())
        found.append(tried[at + best])
        gained.append(worth[at + best] - worth[at])
        at += n
    return found, torch.stack(gained) if gained else torch.zeros(0)


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
    pairs = Pairs.of(scored, catalog)
    choice = choose(pairs, kept, options.choosing.keep_diversity * vendi(reward.encode(untuned)))
    ways = {
        "text alone": list(tuned),
        "picture alone": best_pictures(untuned, catalog, reward)[0],
        "one after the other": best_pictures(tuned, catalog, reward)[0],
        "jointly": [pairs.texts[row] for row in choice.rows.tolist()],
    }
    verdicts = {name: judge(study.world, texts) for name, texts in ways.items()}
    first = judge(study.world, untuned)

    def over(one: Verdict, other: Verdict) -> dict[str, Any]:
        rng = np.random.default_rng(options.run.seed)
        return lifts(one.cells, other.cells, options.conversion_value, rng)

    told = {
        "ways": {name: over(verdict, first) for name, verdict in verdicts.items()},
        "jointly_more": over(verdicts["jointly"], verdicts["one after the other"])["reward"],
        "pictures": len(study.pictures.gallery),
        "drawn": study.pictures.drawn,
        "seen_by": study.pictures.table.seen_by,
        "changed": float(np.mean([c.image != catalog.image_of(replace(c, image="")) for c in ways["jointly"]])),
    }
    return ways["jointly"], told
