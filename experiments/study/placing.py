"""Lets agents place creatives before the world's visitors, learning as they go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...agents.agent import PlacementAgent, Worth
from ...agents.registry import AGENTS, make_agent
from ...agents.traffic.retrieval import Retrieval
from ...simulation.data.catalog import Creative
from ...simulation.data.errors import InputError
from ...simulation.world import World
from ..analysis.statistics.bootstrap import Array, Interval, bootstrap, ratio
from ..harness.options import Common, refuse_below
from ..harness.run import Stage
from .study import Study

if TYPE_CHECKING:
    from .parts import PlacingParts

BATCH = 1024
"""Visits decided at once; feedback comes after them."""


@dataclass(frozen=True)
class PlacingOptions:
    """What is placed, before how many, by whom."""

    agent: Common[str] = "lints"
    """The bandit that places creatives, compared with uniform placement."""
    place_impressions: Common[int] = 120_000
    """Visits of each placement run."""
    place_products: Common[int] = 16
    """Products whose creatives compete for the slots; one creative a product and audience."""
    retrieved: int = 12
    """Where visitors bring queries: creatives, those that answer best, that the bandit chooses among."""

    def __post_init__(self) -> None:
        if self.agent not in AGENTS:
            raise InputError(f"--agent {self.agent}: no such agent; known are {', '.join(AGENTS)}")
        refuse_below(self, place_impressions=BATCH, place_products=1, retrieved=1)


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


def competing(study: Study, texts: Sequence[Creative], options: "PlacingParts") -> list[Creative]:
    """The first text of every audience for `place_products` products drawn by the seed: the same for all writers."""
    products = list(dict.fromkeys(product.product_id for product, _ in study.asked))
    order = np.random.default_rng(options.run.seed).permutation(len(products))
    chosen = {products[i] for i in order[: options.placing.place_products]}
    first = {(c.product_id, c.audience): c for c in reversed(texts) if c.product_id in chosen}
    return [first[key] for key in sorted(first)]


def place(
    world: World, creatives: Sequence[Creative], agent_name: str, options: "PlacingParts", stage: Stage
) -> Placement:
    """A new agent places creatives before the world's visitors, from hour zero."""
    candidates = world.publish(creatives)
    world.reset(options.run.seed + 17)
    return serve(world, candidates, new_agent(world, agent_name, options), options, stage)


def new_agent(world: World, name: str, options: "PlacingParts") -> PlacementAgent:
    """An agent that knows nothing yet, for all creatives of a world."""
    agent = make_agent(
        name,
        arms=len(world.creatives),
        slots=world.slots,
        width=len(world.traffic.context_names),
        worth=Worth(world.examination, options.conversion_value),
        generator=torch.Generator(world.device).manual_seed(options.run.seed + 23),
    )
    if not world.catalog.queries:
        return agent
    return Retrieval(agent, world.traffic.queries, world.creatives, options.placing.retrieved)


def serve(world: World, candidates: Tensor, agent: PlacementAgent, options: "PlacingParts", stage: Stage) -> Placement:
    """An agent places candidates before the world's next visitors."""
    worth = Worth(world.examination, options.conversion_value)
    by_arm = torch.zeros(len(world.creatives), 2, dtype=torch.float64, device=world.device)
    by_user = torch.zeros(len(world.audience), 2, dtype=torch.float64, device=world.device)
    placed = torch.zeros(len(world.examination) * world.slots * len(world.catalog.categories), device=world.device)
    curve, looks = [], []
    for start in range(0, options.placing.place_impressions, BATCH):
        visits = world.visitors(min(BATCH, options.placing.place_impressions - start))
        decision = agent.act(visits, candidates)
        rates = world.expected(visits, decision.slates)
        reward = (rates.ctr * (1 + options.conversion_value * rates.convert)).sum(1).double()
        by_user.index_add_(0, visits.user, torch.stack([reward, torch.ones_like(reward)], dim=1))
        curve.append((start + len(visits), float(reward.mean())))
        placed += showings(world, visits.channel, decision.slates)
        feedback = world.respond(visits, decision.slates)
        looks.append((int(feedback.clicked.any(1).sum()), len(visits)))
        seen = torch.stack([worth.rewards(feedback), worth.trials(feedback)], dim=2).double()
        by_arm.index_add_(0, feedback.slates.flatten(), seen.flatten(0, 1))
        agent.update(feedback)
        stage.advance(len(visits))
    shape = (len(world.examination), world.slots, -1)
    return Placement(
        by_user.cpu().numpy(),
        curve,
        np.array(looks, dtype=np.float64),
        agent,
        placed.view(shape).double().cpu().numpy(),
        by_arm.cpu().numpy(),
    )


def showings(world: World, channel: Tensor, slates: Tensor) -> Tensor:
    """How often [B, L] slates in [B] channels hold products of each category: [channels * slots * categories]."""
    categories = len(world.catalog.categories)
    category = torch.tensor(world.catalog.category_of, device=world.device)[world.products_of(slates)]
    place = channel[:, None] * world.slots + torch.arange(world.slots, device=world.device)
    size = len(world.examination) * world.slots * categories
    return torch.bincount((place * categories + category).flatten(), minlength=size)
