"""How fast the writer is tuned: our PPO against TRL's PPOTrainer as it comes, one after the other in one run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from ....policies.compliance.filter import Compliance
from ....policies.effect.model import VALIDATORS, EffectConfig, fit_effect_model
from ....policies.learning.warm_start import WarmStartConfig, warm_start
from ....policies.reward.reward import Quality, Reward, RewardConfig, Rewards
from ....policies.tuning.contract import Update
from ....policies.tuning.ppo import Ppo, PpoConfig
from ....policies.tuning.stock_ppo import StockPpo
from ....policies.writer.writer import Writer, WriterConfig, load_weights, make_writer, own_weights
from ....simulation.logs import count_uniform
from ....simulation.world import World, demo_world
from ...harness.options import torch_device
from ...harness.run import Run
from .options import BenchmarkOptions

UPDATES = 12
LINES = 4000
"""Lines of the warm start: a writer that knows its words, but has something to learn."""
LONGER = 4
"""Times as many updates that ours may take: they are cheaper, and what counts is seconds."""
SMOOTHED = 3
"""Batches that a reward is averaged over: one batch's mean is too unsure to tell when a level was reached."""
LEVEL = 0.95
"""Share of stock's gain that is waited for."""

Curve = list[tuple[float, float]]
"""Seconds from the start, and the batch's mean reward, after every update."""


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """Seconds to stock's level of reward, and texts a second, ours against TRL's; both with the same writer, prompts,
    batch, lengths, rewards and learning rate.
    """
    # At the price of KL that TRL's trainer has, and in batches that suit it too.
    config = PpoConfig(updates=UPDATES, batch=192, group=4, learning_rate=3e-4, kl_start=0.05)
    shape, lines = WriterConfig(), LINES
    if options.run.quick:
        shape, config, lines = WriterConfig(width=32, vocabulary=400), PpoConfig(updates=2, batch=32), 160
    world = demo_world("shop", seed=options.run.seed, users=100)
    with run.stage("writer and reward"):
        writer, reward = prepared(world, shape, lines, options.run.seed, torch_device(options.device))
    with run.stage("tuning", total=(1 + LONGER) * config.updates) as stage:
        longer = replace(config, updates=LONGER * config.updates)
        theirs, ours = raced(world, writer, reward, (StockPpo(config), Ppo(longer)), options.run.seed, stage.advance)
    facts = {"version": version("trl"), "threads": torch.get_num_threads(), "repeats": 1}
    speed = [texts_a_second(curve, config.batch) for curve in (ours, theirs)]
    reached = [seconds_to(curve, level_of(theirs)) for curve in (ours, theirs)]
    ratios: dict[str, Any] = {
        "texts a second, built-in writer": {"TRL PPOTrainer": _ratio(speed[0], speed[1], facts)},
        f"seconds to {LEVEL:.0%} of stock's gain": {"TRL PPOTrainer": _waited(reached[0], reached[1], facts)},
    }
    summary = {"ratios": ratios, "curves": {"ours": ours, "theirs": theirs}}
    _show(summary, run)
    return summary


def raced(
    world: World,
    writer: Writer,
    reward: Callable[..., Rewards],
    tuners: Sequence[Ppo | StockPpo],
    seed: int,
    progress: Callable[[int], None],
) -> list[Curve]:
    """Each tuner's curve, all from the same weights."""
    start = own_weights(writer)
    asked = [(product, audience) for product in world.catalog.products for audience in world.audience.segments]
    # On one thread the time that the process itself ran for: what else the machine does, does not count.
    alone = torch.get_num_threads() == 1 and writer.device.type == "cpu"
    clock = time.process_time if alone else time.perf_counter

    def timed(tuner: Ppo | StockPpo) -> Curve:
        load_weights(writer, start)
        curve: Curve = []
        began = clock()

        def on_update(update: Update) -> None:
            curve.append((clock() - began, update.metrics["reward"]))
            progress(1)

        tuner.tune(writer, asked, reward, seed=seed, on_update=on_update)
        return curve

    return [timed(tuner) for tuner in tuners]


def texts_a_second(curve: Curve, batch: int) -> float:
    """After the first update, in which things are set up."""
    return batch * (len(curve) - 1) / (curve[-1][0] - curve[0][0])


def smoothed(curve: Curve) -> np.ndarray:
    """[n] mean rewards of the last `SMOOTHED` batches."""
    rewards = np.array([reward for _, reward in curve])
    return np.array([rewards[max(0, i - SMOOTHED + 1) : i + 1].mean() for i in range(len(rewards))])


def level_of(curve: Curve) -> float:
    """The reward at `LEVEL` of the way from the first batch, which the untuned writer wrote, to the end."""
    return curve[0][1] + LEVEL * (smoothed(curve)[-1] - curve[0][1])


def seconds_to(curve: Curve, level: float) -> float | None:
    """When the smoothed reward first reached a level; None if it never did."""
    reached = np.flatnonzero(smoothed(curve) >= level)
    return curve[int(reached[0])][0] if len(reached) else None


def prepared(
    world: World, shape: WriterConfig, lines: int, seed: int, device: torch.device
) -> tuple[Writer, Callable[..., Rewards]]:
    """A writer that has read `lines` lines, and the reward that it is tuned on."""
    counts = count_uniform(world, world.catalog.ads, 200_000, torch.Generator().manual_seed(seed))
    effect = fit_effect_model(counts, world.catalog, EffectConfig(steps=60), members=VALIDATORS, seed=seed)
    writer = make_writer(world.catalog, shape, seed=seed, device=device)
    warm_start(writer, world.catalog, world.audience.segments, WarmStartConfig(lines=lines), seed=seed)
    # Without novelty, which depends on what else is in a batch: ours asks a prompt four times, TRL's once.
    reward = Reward(
        effect, Quality.of(world.catalog), Compliance.of(world.catalog), RewardConfig(w_ctr=0.6, w_cvr=0.4, w_div=0.0)
    )
    products = [product for product in world.catalog.products for _ in range(4)]
    audiences: Sequence[str] = [world.audience.segments[0]] * len(products)
    texts = writer.write(products, audiences, generator=torch.Generator().manual_seed(seed))
    reward.freeze(texts, torch.arange(len(texts)) // 4)
    return writer, reward


def _ratio(ours: float, theirs: float, facts: dict[str, Any]) -> dict[str, Any]:
    return {"ratio": ours / theirs, "ours": ours, "theirs": theirs, **facts}


def _waited(ours: float | None, theirs: float | None, facts: dict[str, Any]) -> dict[str, Any]:
    """How many times fewer seconds we took; without a ratio where we never got there."""
    if ours is None or theirs is None:
        return {"ours": ours, "theirs": theirs, **facts}
    return {"ratio": theirs / ours, "ours": ours, "theirs": theirs, **facts}


def _show(summary: dict[str, Any], run: Run) -> None:
    for what, peers in summary["ratios"].items():
        for peer, row in peers.items():
            said = " ".join("never" if row[k] is None else f"{row[k]:,.1f}" for k in ("ours", "theirs"))
            ratio = f"ratio {row['ratio']:.2f}" if "ratio" in row else "no ratio: the level was not reached"
            run.say(f"{what} | {peer} {row['version']} | ours, theirs: {said} | {ratio}")
