"""Lets agents place creatives before the world's visitors, learning as they go."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ...agents.agent import PlacementAgent, Worth
from ...agents.registry import AGENTS, RETRIEVED, agent_for
from ...simulation.data.catalog import Creative
from ...simulation.data.errors import InputError
from ...simulation.world import World
from ..analysis.statistics.bootstrap import Array, Interval, bootstrap, ratio
from ..harness.run import Stage
from ..serving import BATCH, Curve, Looks, Progress, RewardByUser, Showings, WorthByArm, serve
from ..tune import TuneOptions
from .study import Study


@dataclass(frozen=True)
class PlacingOptions(TuneOptions):
    """What is placed, before how many, by whom."""

    agent: str = "lints"
    """The bandit that places creatives, compared with uniform placement."""
    place_impressions: int = 120_000
    """Visits of each placement run."""
    place_products: int = 16
    """Products whose creatives compete for the slots; one creative a product and audience."""
    retrieved: int = RETRIEVED
    """Where visitors bring queries: creatives, those that answer best, that the bandit chooses among."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.agent not in AGENTS:
            raise InputError(f"--agent {self.agent}: no such agent; known are {', '.join(AGENTS)}")
        if self.place_impressions < BATCH or self.place_products < 1:
            raise InputError(f"--place-impressions and --place-products: give {BATCH} and 1 or more")
        if self.retrieved < 1:
            raise InputError(f"--retrieved {self.retrieved}: give 1 or more")


@dataclass(frozen=True)
class Placement:
    """What one placement run earned, in gold expectation."""

    by_user: Array
    """[U, 2] reward and impressions of each user."""
    curve: list[tuple[int, float]]
    """Impressions so far, and the mean reward of the stretch that ends there."""
    looks: Array
    """[batches, 2] visits with a click, and visits."""
    agent: PlacementAgent
    placed: Array
    """[channels, slots, categories] showings."""
    by_arm: Array
    """[C, 2] observed worth of each of the world's creatives, and the trials that it had."""

    def interval(self, rng: np.random.Generator) -> Interval:
        """Gold reward per impression, with its interval over users."""
        return bootstrap(self.by_user, ratio, rng)


def competing(study: Study, texts: Sequence[Creative], options: PlacingOptions) -> list[Creative]:
    """The first text of every audience for `place_products` products drawn by the seed: the same for all writers."""
    products = list(dict.fromkeys(product.product_id for product, _ in study.asked))
    order = np.random.default_rng(options.seed).permutation(len(products))
    chosen = {products[i] for i in order[: options.place_products]}
    first = {(c.product_id, c.audience): c for c in reversed(texts) if c.product_id in chosen}
    return [first[key] for key in sorted(first)]


def place(
    world: World, creatives: Sequence[Creative], agent_name: str, options: PlacingOptions, stage: Stage
) -> Placement:
    """A new agent places creatives, and none but these, before a world's visitors, from hour zero."""
    world = replace(world, creatives=[])
    candidates = world.publish(creatives)
    world.reset(options.seed + 17)
    return place_on(world, candidates, new_agent(world, agent_name, options), options, stage)


def new_agent(world: World, name: str, options: PlacingOptions) -> PlacementAgent:
    """An agent that knows nothing yet, for all creatives of a world."""
    return agent_for(
        world, name, seed=options.seed, conversion_value=options.conversion_value, retrieved=options.retrieved
    )


def place_on(
    world: World, candidates: Tensor, agent: PlacementAgent, options: PlacingOptions, stage: Stage
) -> Placement:
    """An agent places candidates before the world's next visitors."""
    value = options.conversion_value
    by_user, curve, looks, showings = RewardByUser(world), Curve(), Looks(), Showings(world)
    by_arm = WorthByArm(world, Worth.of(world, value))
    observers = (by_user, curve, looks, showings, by_arm, Progress(stage.advance))
    serve(world, agent, candidates, options.place_impressions, observers, conversion_value=value)
    return Placement(
        by_user.total.cpu().numpy(),
        curve.points,
        np.array(looks.rows, dtype=np.float64),
        agent,
        showings.total.cpu().numpy(),
        by_arm.total.cpu().numpy(),
    )
