"""Lets agents place creatives before the world's visitors, learning as they go."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ...agents.agent import Expectation, PlacementAgent, Worth
from ...agents.registry import agent_for
from ...agents.traffic.slate import text_vectors
from ...agents.traffic.wrapper import figures_of
from ...simulation.data.catalog import Creative
from ...simulation.world import World
from ..analysis.statistics.bootstrap import Array, Interval, bootstrap, ratio
from ..harness.run import Stage
from ..serving.exposures import Exposure, Exposures
from ..serving.observers import Curve, Likeness, Looks, Progress, RewardByUser, Showings, WorthByArm
from ..serving.serve import Observer, serve
from ..study.study import Study
from .options import LoopOptions


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
    traffic: dict[str, float]
    """What there is to tell of delays, money and caps."""
    exposure: Exposure
    """Who was shown what."""

    def interval(self, rng: np.random.Generator) -> Interval:
        """Gold reward per impression, with its interval over users."""
        return bootstrap(self.by_user, ratio, rng)


def competing(
    study: Study, texts: Sequence[Creative], options: LoopOptions, *, as_they_come: bool = False
) -> list[Creative]:
    """The first text of every audience that may be published, for `place_products` products drawn by the seed: the same
    for all writers. Where a prompt has none, nothing is shown for it, unless fewer than the slots would be left.

    Args:
        study: what was written for, and what may be published.
        texts: of one writer.
        options: how many products.
        as_they_come: also what a rule refuses, as of the untuned writer, whom others are compared with.
    """
    chosen = placed_products(study, options)
    texts = [creative for creative in texts if creative.product_id in chosen]
    refused = study.compliance(options.reward).refused(texts).tolist()
    standing = _first([creative for creative, wrong in zip(texts, refused, strict=True) if not wrong])
    return _first(texts) if as_they_come or len(standing) < study.world.slots else standing


def _first(texts: Sequence[Creative]) -> list[Creative]:
    """The first text of each product and audience, in order of their names."""
    first = {(c.product_id, c.audience): c for c in reversed(texts)}
    return [first[key] for key in sorted(first)]


def placed_products(study: Study, options: LoopOptions) -> set[str]:
    """`place_products` products, drawn by the seed."""
    products = list(dict.fromkeys(product.product_id for product, _ in study.asked))
    order = np.random.default_rng(options.run.seed).permutation(len(products))
    return {products[i] for i in order[: options.placing.place_products]}


def place(
    world: World,
    creatives: Sequence[Creative],
    agent_name: str,
    options: LoopOptions,
    stage: Stage,
    expectation: Expectation | None = None,
    also: Sequence[Observer] = (),
) -> Placement:
    """A new agent places creatives, and none but these, before a world's visitors, from hour zero; `also` record it."""
    world = replace(world, creatives=[])
    candidates = world.publish(creatives)
    world.reset(options.run.seed + 17)
    return place_on(world, candidates, new_agent(world, agent_name, options, expectation), options, stage, also)


def expected(study: Study, creatives: Sequence[Creative], options: LoopOptions) -> Expectation | None:
    """What the effect model predicts that creatives earn a trial, if that shall count."""
    trials = options.placing.expected_trials
    if not trials:
        return None
    click, convert = study.effect.predict(creatives).rates.unbind(1)
    return Expectation((click * (1 + options.conversion_value * convert)).to(study.world.device), trials)


def new_agent(world: World, name: str, options: LoopOptions, expectation: Expectation | None = None) -> PlacementAgent:
    """An agent that has seen nothing yet, for all creatives of a world."""
    return agent_for(
        world,
        name,
        seed=options.run.seed,
        conversion_value=options.conversion_value,
        retrieved=options.placing.retrieved,
        traffic=options.traffic,
        visits=options.placing.place_impressions,
        expectation=expectation,
    )


def place_on(
    world: World,
    candidates: Tensor,
    agent: PlacementAgent,
    options: LoopOptions,
    stage: Stage,
    also: Sequence[Observer] = (),
) -> Placement:
    """An agent places candidates before the world's next visitors; `also` record it."""
    value = options.conversion_value
    by_user, curve, looks, showings = RewardByUser(world), Curve(), Looks(), Showings(world)
    by_arm, exposures = WorthByArm(world, Worth.of(world, value)), Exposures(world)
    observers: list[Observer] = [by_user, curve, looks, showings, by_arm, exposures, Progress(stage.advance), *also]
    alike = None
    if options.traffic.most_alike is not None:
        alike = Likeness(text_vectors(world.creatives, world.device))
        observers.append(alike)
    serve(world, agent, candidates, options.placing.place_impressions, observers, conversion_value=value)
    return Placement(
        by_user.total.cpu().numpy(),
        curve.points,
        np.array(looks.rows, dtype=np.float64),
        agent,
        showings.total.cpu().numpy(),
        by_arm.total.cpu().numpy(),
        figures_of(agent) | ({} if alike is None else {"likeness": alike.mean}),
        exposures.total,
    )
