"""Does writing + placement, closed, pay? The main job: tune a writer, place its texts, judge all of it in the gold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor

from ..agents.agent import PlacementAgent, Worth
from ..agents.registry import AGENTS, make_agent
from ..agents.retrieval import Retrieval
from ..simulation.catalog import Creative
from ..simulation.tables import InputError
from ..simulation.world import World
from .analysis.report import write_report
from .analysis.sequential import call_winner, confidence_sequence
from .analysis.statistics import Array, Interval, bootstrap, ratio
from .runs import Run, Stage, write_json
from .study import Study
from .tune import TuneOptions, Tuning, make_study, tune_writer

WRITERS = ("untuned", "tuned")
BATCH = 1024
"""Visits decided at once; feedback comes after them."""


@dataclass(frozen=True)
class LoopOptions(TuneOptions):
    """Options of `copybandit loop`."""

    agent: str = "lints"
    """The bandit that places creatives, compared with uniform placement."""
    place_impressions: int = 120_000
    """Visits of each placement run."""
    place_products: int = 16
    """Products whose creatives compete for the slots; one creative a product and audience."""
    retrieved: int = 12
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

    def interval(self, rng: np.random.Generator) -> Interval:
        """Gold reward per impression, with its interval over users."""
        return bootstrap(self.by_user, ratio, rng)


def run_loop(options: LoopOptions) -> Path:
    """`copybandit loop`: leaves report, tuned checkpoint, placement state and creatives in a run directory."""
    run = Run("loop", options)
    study = make_study(options, run)
    _refuse_too_few(study, options)
    tuning = tune_writer(study, options, run)
    placements = place_all(study, tuning, options, run)
    rng = np.random.default_rng(options.seed)
    grid: dict[str, dict[str, Interval]] = {}
    for (writer, placement), result in placements.items():
        grid.setdefault(writer, {})[placement] = result.interval(rng)
    _save_placement(run.path, placements, options.agent)
    _save_placed(run.path, placements, study.world)
    run.finish({"command": "loop", **tuning.summary, "grid": grid, "ab_test": ab_test(placements)})
    write_report(run.path)
    return run.path


def _refuse_too_few(study: Study, options: LoopOptions) -> None:
    products = {product.product_id for product, _ in study.asked}
    most = max(Counter(product.product_id for product, _ in study.asked).values())
    creatives = min(options.place_products, len(products)) * most
    if creatives < study.world.slots:
        raise InputError(
            f"--place-products {options.place_products}: {len(products)} products to write for and "
            f"{most} audiences make {creatives} creatives for {study.world.slots} slots; "
            "give more products, or a larger catalog or archive"
        )


def place_all(study: Study, tuning: Tuning, options: LoopOptions, run: Run) -> dict[tuple[str, str], Placement]:
    """{untuned, tuned} x {uniform, bandit}: the same visitors come to all four."""
    results = {}
    with run.stage("placement", total=4 * options.place_impressions) as stage:
        for writer, texts in (("untuned", tuning.untuned), ("tuned", tuning.tuned)):
            creatives = competing(study, texts, options)
            for placement, name in (("uniform", "random"), ("bandit", options.agent)):
                results[writer, placement] = place(study.world, creatives, name, options, stage)
    return results


def competing(study: Study, texts: Sequence[Creative], options: LoopOptions) -> list[Creative]:
    """The first text of every audience for `place_products` products drawn by the seed: the same for both writers."""
    products = list(dict.fromkeys(product.product_id for product, _ in study.asked))
    order = np.random.default_rng(options.seed).permutation(len(products))
    chosen = {products[i] for i in order[: options.place_products]}
    first = {(c.product_id, c.audience): c for c in reversed(texts) if c.product_id in chosen}
    return [first[key] for key in sorted(first)]


def place(
    world: World, creatives: Sequence[Creative], agent_name: str, options: LoopOptions, stage: Stage
) -> Placement:
    """Lets an agent place creatives before the world's visitors, learning as it goes."""
    candidates = world.publish(creatives)
    world.reset(options.seed + 17)
    generator = torch.Generator(world.device).manual_seed(options.seed + 23)
    worth = Worth(world.examination, options.conversion_value)
    width = len(world.traffic.context_names)
    agent = make_agent(
        agent_name, arms=len(world.creatives), slots=world.slots, width=width, worth=worth, generator=generator
    )
    if world.catalog.queries:
        agent = Retrieval(agent, world.traffic.queries, world.creatives, options.retrieved)
    by_user = torch.zeros(len(world.audience), 2, dtype=torch.float64, device=world.device)
    placed = torch.zeros(len(world.examination) * world.slots * len(world.catalog.categories), device=world.device)
    curve, looks = [], []
    for start in range(0, options.place_impressions, BATCH):
        visits = world.visitors(min(BATCH, options.place_impressions - start))
        decision = agent.act(visits, candidates)
        rates = world.expected(visits, decision.slates)
        reward = (rates.ctr * (1 + options.conversion_value * rates.convert)).sum(1).double()
        by_user.index_add_(0, visits.user, torch.stack([reward, torch.ones_like(reward)], dim=1))
        curve.append((start + len(visits), float(reward.mean())))
        placed += showings(world, visits.channel, decision.slates)
        feedback = world.respond(visits, decision.slates)
        looks.append((int(feedback.clicked.any(1).sum()), len(visits)))
        agent.update(feedback)
        stage.advance(len(visits))
    shape = (len(world.examination), world.slots, -1)
    return Placement(
        by_user.cpu().numpy(),
        curve,
        np.array(looks, dtype=np.float64),
        agent,
        placed.view(shape).double().cpu().numpy(),
    )


def showings(world: World, channel: Tensor, slates: Tensor) -> Tensor:
    """How often [B, L] slates in [B] channels hold products of each category: [channels * slots * categories]."""
    categories = len(world.catalog.categories)
    category = torch.tensor(world.catalog.category_of, device=world.device)[world.products_of(slates)]
    place = channel[:, None] * world.slots + torch.arange(world.slots, device=world.device)
    size = len(world.examination) * world.slots * categories
    return torch.bincount((place * categories + category).flatten(), minlength=size)


def ab_test(placements: Mapping[tuple[str, str], Placement]) -> dict[str, Any]:
    """When an A/B test of both writers, placed uniformly, would have called the winner by clicks alone.

    What counts is a visit with a click. The same visitors come to both, which makes the test stricter than its level.
    """
    looks = np.stack([placements[writer, "uniform"].looks for writer in WRITERS], axis=1)
    clicks, shown = looks[..., 0], looks[..., 1]
    call = call_winner(clicks, shown)
    low, high = confidence_sequence(clicks[:, 0], shown[:, 0], clicks[:, 1], shown[:, 1])
    rates = clicks.sum(0) / shown.sum(0)
    return {
        "winner": None if call.winner is None else WRITERS[call.winner],
        "impressions": call.impressions,
        "click_rates": dict(zip(WRITERS, rates.tolist(), strict=True)),
        "difference": Interval(mean=float(rates[1] - rates[0]), low=float(low[-1]), high=float(high[-1])),
    }


def _save_placement(path: Path, placements: dict[tuple[str, str], Placement], agent: str) -> None:
    rows = [
        {"writer": writer, "placement": placement, "impressions": impressions, "reward": reward}
        for (writer, placement), result in placements.items()
        for impressions, reward in result.curve
    ]
    pd.DataFrame(rows).to_csv(path / "placement.csv", index=False)
    learned: dict[str, Any] = placements["tuned", "bandit"].agent.state_dict()
    (path / "placement").mkdir()
    save_file({name: value.contiguous().cpu() for name, value in learned.items()}, path / "placement/agent.safetensors")
    write_json(path / "placement/agent.json", {"format_version": 1, "agent": agent})


def _save_placed(path: Path, placements: dict[tuple[str, str], Placement], world: World) -> None:
    """placed.csv: what share of each channel's slot the products of each category had."""
    channels, categories = list(world.scenario.channels), world.catalog.categories
    rows = [
        (writer, placement, channels[c], slot + 1, category, result.placed[c, slot, k])
        for (writer, placement), result in placements.items()
        for c, slot in np.ndindex(result.placed.shape[:2])
        for k, category in enumerate(categories)
    ]
    names = ["writer", "placement", "channel", "slot", "category", "shown"]
    pd.DataFrame(rows, columns=names).to_csv(path / "placed.csv", index=False)
