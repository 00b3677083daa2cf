"""Text and picture chosen together for each slot: does a bandit gain by choosing both, at once or one after the other?

All ways choose for the same visitors, among the tuned texts of some products and those products' pictures. There are
more combinations than a bandit could try one by one: it learns what features of them are worth, of product, text and
picture and of the last two together, and nothing of a single combination (Li et al., WWW 2010, with shared features
alone). With `--expected-trials` what the effect model sees in a picture is a prior, as in "A hybrid bandit model with
visual priors" (Wang et al., arXiv 2102.04033). The learning phase counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...agents.agent import Expectation, PlacementAgent, Worth
from ...agents.registry import agent_for
from ...agents.traffic.slate import text_vectors
from ...policies.pictures.columns import PictureTable
from ...simulation.data.catalog import Catalog, Creative
from ...simulation.world import World
from ..analysis.statistics.bootstrap import Array, Interval, bootstrap, ratio
from ..harness.run import Run, Stage
from ..serving.observers import Progress, RewardByUser, WorthByArm
from ..serving.serve import Actor, Fixed, serve
from ..study.study import Study
from .options import LoopOptions
from .placement import expected

AGENT = "shared-lints"
TEXT, PICTURE, CROSSED = 8, 8, 3
"""Features of a text and of a picture, and how many of each are multiplied with each other."""


def combinations(catalog: Catalog, texts: Sequence[Creative]) -> list[Creative]:
    """Each text beside every picture of its product."""
    return [replace(c, image=image) for c in texts for image in catalog[c.product_id].images or ("",)]


def arm_features(creatives: Sequence[Creative], catalog: Catalog, pictures: PictureTable) -> Tensor:
    """[n, f] float64: a constant; the product; text and picture in a few columns each, and some of their products."""
    product = torch.tensor(catalog.product_indices(creatives)).unique(return_inverse=True)[1]
    text, seen = text_vectors(creatives), pictures.of_creatives(creatives, catalog)[:, :PICTURE]
    centred = text - text.mean(0)
    text = centred @ torch.linalg.svd(centred, full_matrices=False)[2][:TEXT].T
    text = text / text.std(0, correction=0).clamp(min=1e-6)
    crossed = (text[:, :CROSSED, None] * seen[:, None, :CROSSED]).flatten(1)
    measured = [part / max(1, part.shape[1]) ** 0.5 for part in (text, seen, crossed)]
    return torch.cat([torch.ones(len(creatives), 1), torch.nn.functional.one_hot(product), *measured], 1).double()


@dataclass
class _Rehearsal:
    """The world with all combinations in it, and who places them."""

    world: World
    all: Tensor
    features: Tensor
    expectation: Expectation | None
    options: LoopOptions
    stage: Stage

    @classmethod
    def of(cls, study: Study, texts: Sequence[Creative], options: LoopOptions, stage: Stage) -> "_Rehearsal":
        assert study.pictures is not None
        world = replace(study.world, creatives=[])
        shown = combinations(study.catalog, texts)
        features = arm_features(shown, study.catalog, study.pictures.table)
        return cls(world, world.publish(shown), features, expected(study, shown, options), options, stage)

    def agent(self, name: str, **settings: Any) -> PlacementAgent:
        """One that has seen nothing, for all combinations."""
        prior = None if name == "random" else self.expectation
        options = self.options
        value, seed = options.conversion_value, options.run.seed
        return agent_for(
            self.world, name, seed=seed, conversion_value=value, retrieved=len(self.all), expectation=prior, **settings
        )

    def sharing(self) -> PlacementAgent:
        """One that shares what it learns by features."""
        return self.agent(AGENT, features=self.features.to(self.world.device))

    def earned(self, *turns: Callable[[Tensor], tuple[Actor, Tensor]]) -> Array:
        """[U, 2] reward and visits by user, of who chooses in turns, each for as many visits.

        Args:
            turns: from what arms were seen to earn a trial so far, [arms], to who chooses, and among which arms.
        """
        world, value = self.world, self.options.conversion_value
        world.reset(self.options.run.seed + 17)
        by_user, by_arm = RewardByUser(world), WorthByArm(world, Worth.of(world, value))
        for turn in turns:
            actor, arms = turn(by_arm.total[:, 0] / by_arm.total[:, 1].clamp(min=1))
            watch = (by_user, by_arm, Progress(self.stage.advance))
            serve(world, actor, arms, self.visits // len(turns), watch, conversion_value=value)
        return by_user.total.cpu().numpy()

    @property
    def visits(self) -> int:
        """Of each way."""
        return self.options.placing.place_impressions


def place_combinations(
    study: Study, texts: Sequence[Creative], options: LoopOptions, run: Run
) -> dict[str, dict[str, Interval]]:
    """By way of choosing: gold `reward` an impression, and `capture` of what the oracle earns beyond chance among all
    combinations, with intervals over users.

    Args:
        study: with pictures.
        texts: of the tuned writer, one for each product and audience.
        options: visits, seed, worth of a conversion.
        run: shows progress.
    """
    with run.stage("text and picture", total=7 * options.placing.place_impressions) as stage:
        rehearsal = _Rehearsal.of(study, texts, options, stage)
        totals = _by_way(rehearsal, study.catalog)
    rng = np.random.default_rng(options.run.seed)
    chance, best = totals["chance"], totals["oracle"]
    return {
        name: {
            "reward": bootstrap(total, ratio, rng),
            "capture": bootstrap(np.concatenate([total, chance, best], axis=1), _capture, rng),
        }
        for name, total in totals.items()
    }


def _by_way(rehearsal: _Rehearsal, catalog: Catalog) -> dict[str, Array]:
    world, everything, options = rehearsal.world, rehearsal.all, rehearsal.options
    texts, pictures = _alone(world.creatives, catalog)
    oracle = Fixed(lambda visits, arms: world.best(visits, arms, options.conversion_value))
    twice = rehearsal.sharing()

    def once(agent: Actor, arms: Tensor) -> Array:
        return rehearsal.earned(lambda seen: (agent, arms))

    def second(seen: Tensor) -> tuple[Actor, Tensor]:
        """The text of each product that earned most is kept, and its pictures are tried."""
        return twice, _beside_best(world.creatives, texts, seen)

    return {
        "chance": once(rehearsal.agent("random"), everything),
        "text alone": once(rehearsal.sharing(), texts),
        "picture alone": once(rehearsal.sharing(), pictures),
        "one after the other": rehearsal.earned(lambda seen: (twice, texts), second),
        "jointly": once(rehearsal.sharing(), everything),
        f"jointly, nothing shared ({options.placing.agent})": once(rehearsal.agent(options.placing.agent), everything),
        "oracle": once(oracle, everything),
    }


def _alone(shown: Sequence[Creative], catalog: Catalog) -> tuple[Tensor, Tensor]:
    """Arms with the first picture of their product, and arms with the first text."""
    first = {creative.product_id: creative.text for creative in reversed(shown)}
    main = [creative.image == catalog.image_of(replace(creative, image="")) for creative in shown]
    same = [creative.text == first[creative.product_id] for creative in shown]
    return torch.tensor(main).nonzero().squeeze(1), torch.tensor(same).nonzero().squeeze(1)


def _beside_best(shown: Sequence[Creative], tried: Tensor, seen: Tensor) -> Tensor:
    """All arms with the text of their product that earned most among those tried."""
    best: dict[str, tuple[float, str]] = {}
    for arm in tried.tolist():
        creative = shown[arm]
        best[creative.product_id] = max(best.get(creative.product_id, (-1.0, "")), (float(seen[arm]), creative.text))
    kept = [creative.text == best[creative.product_id][1] for creative in shown]
    return torch.tensor(kept).nonzero().squeeze(1)


def _capture(sums: Array) -> Array:
    """[..., 6] reward and visits of a way, of chance and of the oracle, to the share between the last two."""
    way, chance, best = (sums[..., i] / sums[..., i + 1] for i in (0, 2, 4))
    return (way - chance) / (best - chance)
