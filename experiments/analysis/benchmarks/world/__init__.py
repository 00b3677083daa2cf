"""The world part of `copybandit benchmark`: visitors served a second, against bare numpy and other simulators."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .....envs.placement import AdPlacementVectorEnv
from ....harness.run import Run
from ..options import BenchmarkOptions
from ..process import own_peak
from .sketch import NumpySketch

SIZES = (1, 64, 1024, 8192)
REPORTED = {"RecoGym 0.1.3": 10_325, "RecSim 0.2.4": 3_257}
"""Steps a second of simulators that do not run beside today's numpy and scipy (RecoGym, 10 products) or need TensorFlow
(RecSim, interest exploration): measured on another two-core machine, one at a time, as they have no vector form.
"""
FLAT_AFTER = 1_000_000
"""Impressions after which memory has to stay as it is."""


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """Ratios by number of streams and peer, and what memory does over many impressions."""
    shrink = 20 if options.run.quick else 1
    ratios: dict[str, Any] = {}
    with run.stage("world speed", total=len(SIZES) * options.repeats) as stage:
        for n in SIZES:
            ours, sketch = _race(n, max(3, 400_000 // n // (8 if n == 1 else 1) // shrink), options, stage.advance)
            peers = {"bare numpy": (sketch, np.__version__), **{k: (v, "reported") for k, v in REPORTED.items()}}
            ratios[f"world, n={n}"] = {
                name: {
                    "ratio": ours / theirs,
                    "ours": ours,
                    "theirs": theirs,
                    "version": version,
                    "threads": torch.get_num_threads(),
                    "repeats": options.repeats,
                }
                for name, (theirs, version) in peers.items()
            }
    summary = {"ratios": ratios, "memory": _memory(options, run)}
    _show(summary, run)
    return summary


def _race(n: int, steps: int, options: BenchmarkOptions, progress: Callable[[int, str], None]) -> tuple[float, float]:
    """Visitors a second of the environment and of the sketch: the same actions, in turns, the best of the repeats."""
    envs = AdPlacementVectorEnv(n, max_episode_steps=None)
    envs.reset(seed=options.run.seed)
    rivals = (envs.step, NumpySketch(envs.world, n, options.run.seed).step)
    actions = np.random.default_rng(options.run.seed).integers(len(envs.candidates), size=(64, n, envs.world.slots))
    best = [0.0, 0.0]
    for _ in range(options.repeats):
        for i, step in enumerate(rivals):
            best[i] = max(best[i], _per_second(step, actions, steps))
        progress(1, f"{n} at a time: {best[0]:,.0f} visitors a second")
    return best[0], best[1]


def _per_second(step: Callable[[Any], Any], actions: Any, steps: int) -> float:
    start = time.perf_counter()
    for i in range(steps):
        step(actions[i % len(actions)])
    return steps * actions.shape[1] / (time.perf_counter() - start)


def _memory(options: BenchmarkOptions, run: Run) -> dict[str, float]:
    """Peak memory of the process after the first million impressions and at the end, in MB."""
    total = options.impressions // (100 if options.run.quick else 1)
    first = min(FLAT_AFTER, total // 2)
    envs = AdPlacementVectorEnv(8192, max_episode_steps=None)
    envs.reset(seed=options.run.seed)
    actions = np.random.default_rng(options.run.seed).integers(len(envs.candidates), size=(64, 8192, envs.world.slots))
    done, early, start = 0, 0.0, time.perf_counter()
    with run.stage("memory", total=total) as stage:
        while done < total:
            envs.step(actions[done // 8192 % 64])
            done += 8192
            if not early and done >= first:
                early = own_peak() / 2**20
            if done // 8192 % 100 == 0:
                stage.advance(819_200)
    seconds = time.perf_counter() - start
    return {
        "impressions": done,
        "early_mb": early,
        "peak_mb": own_peak() / 2**20,
        "growth": own_peak() / 2**20 / early - 1,
        "seconds": seconds,
    }


def _show(summary: dict[str, Any], run: Run) -> None:
    run.say(f"the shop with all its effects, slates of 3, {torch.get_num_threads()} threads, torch {torch.__version__}")
    run.say(f"{'':<16} {'peer':<24} {'ours /s':>12} {'theirs /s':>12} {'ratio':>8}")
    for what, peers in summary["ratios"].items():
        for title, row in peers.items():
            name = f"{title} {row['version']}" if row["version"] != "reported" else f"{title} (reported)"
            run.say(f"{what:<16} {name:<24} {row['ours']:>12,.0f} {row['theirs']:>12,.0f} {row['ratio']:>8.2f}")
    memory = summary["memory"]
    run.say(
        f"memory over {memory['impressions']:,} impressions: {memory['early_mb']:,.0f} MB early, "
        f"{memory['peak_mb']:,.0f} MB at most ({memory['growth']:+.1%}), {memory['seconds']:.0f} s"
    )
