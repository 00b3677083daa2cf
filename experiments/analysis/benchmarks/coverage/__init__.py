"""The coverage part of `copybandit benchmark`: are intervals, sequential tests and rankings what they claim to be?

The truth is known, because logs come from the simulated world, and null experiments from one rate.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import kendalltau

from .....agents.registry import AGENTS
from .....simulation.logs import log_frame, uniform_slates
from ....harness.run import Run, Stage
from ....serving.serve import Fixed, serve
from ...off_policy.evaluation import METHODS, answers
from ...off_policy.evidence import Evidence, Known
from ...off_policy.known_logs import KnownWorld, Seen
from ...off_policy.log_builder import logged_frame
from ...off_policy.logged import Log
from ...off_policy.policies import row_batches, train
from ...statistics.bootstrap import Array, Interval
from ...statistics.intervals import skew_corrected
from ...statistics.moments import Moments
from ...statistics.sequential import log_e_process
from ..options import BenchmarkOptions
from . import compare_intervals, offline_intervals, propensities

LOGS, IMPRESSIONS = 500, 10_000
NULLS, STEPS, RATES = 2000, 5000, (0.025, 0.3)
RANKED = ("random", "epsilon-greedy", "beta-thompson", "softmax", "squarecb", "linucb", "lints", "logistic-ts")
RANKING_LOGS, RANKING_IMPRESSIONS, RANKING_CREATIVES = 5, 100_000, 8
BLOCK = 8192
"""Impressions at once."""


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`coverage.{slots}.{estimator}`, `false_calls.{rate}`, `ranking.{estimator}`, and in `configurations`, one by one,
    `propensities`, `offline` and `compare`. With `--only` those that it names.
    """
    found, seed = {}, options.run.seed
    if "logs" in (asked := options.chosen(("logs", *CONFIGURATIONS))):
        found = _of_logs(options, run)
    told = {name: CONFIGURATIONS[name](run, seed) for name in asked if name in CONFIGURATIONS}
    return found | ({"configurations": told} if told else {})


CONFIGURATIONS: dict[str, Callable[[Run, int], Any]] = {
    "propensities": propensities.measure,
    "offline": offline_intervals.measure,
    "compare": compare_intervals.measure,
}
"""By name: what `--only` chooses from, beside `logs`, which are coverage, false calls and rankings."""


def _of_logs(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    logs, nulls, rankings = (25, 200, 1) if options.run.quick else (LOGS, NULLS, RANKING_LOGS)
    coverage = {}
    for slots in (1, 3):
        with run.stage(f"logs of {slots} slots", total=logs) as stage:
            coverage[f"slots_{slots}"] = cover(slots, logs, options.run.seed, stage)
    with run.stage("null experiments", total=len(RATES) * nulls) as stage:
        calls = {f"{rate:g}": false_calls(rate, nulls, options.run.seed, stage) for rate in RATES}
    with run.stage("rankings", total=rankings * len(RANKED)) as stage:
        ranking = rank(rankings, RANKING_IMPRESSIONS // (10 if options.run.quick else 1), options.run.seed, stage)
    _show(coverage, calls, ranking, run)
    return {"coverage": coverage, "false_calls": calls, "ranking": ranking}


def cover(slots: int, logs: int, seed: int, stage: Stage) -> dict[str, dict[str, float]]:
    """How often each interval of each estimator holds the truth, and error and bias in standard deviations."""
    known = KnownWorld(seed, slots)
    found: dict[str, list[Interval]] = {}
    truths = []
    for number in range(logs):
        # Seeds of logs are far from that of the world's own.
        log = known.log(known.logging, IMPRESSIONS, 1_000_000 * (seed + 1) + number)
        rng = np.random.default_rng([seed, number])
        said = known.evidence(log, rng)
        truths.append(log.truth(known.valued_in_slot[log.context]))
        for method in METHODS:
            for name, answer in answers([said], rng, method).items():
                found.setdefault(f"{name}/{method}", []).append(answer.interval)
        found.setdefault("dm-untargeted/skew-corrected", []).append(_untargeted(said.expected))
        stage.advance()
    truth = float(np.mean(truths))
    return {name: _summary(intervals, truth) for name, intervals in found.items()}


def _untargeted(expected: Array) -> Interval:
    """What a direct method would claim that takes its model for the truth."""
    values = expected.sum(1)
    low, high = skew_corrected(Moments.of(values[:, None]))[0]
    return Interval(mean=float(values.mean()), low=float(low), high=float(high))


def _summary(intervals: list[Interval], truth: float) -> dict[str, float]:
    low, mean, high = (np.array([interval[key] for interval in intervals]) for key in ("low", "mean", "high"))
    return {
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "bias": float(mean.mean() - truth),
        "deviation": float(mean.std()),
        "width": float((high - low).mean()),
        "truth": truth,
        "logs": len(intervals),
    }


def false_calls(rate: float, experiments: int, seed: int, stage: Stage) -> float:
    """Share of experiments with no difference in which, watched at every step, one is called nevertheless."""
    rng, wrong = np.random.default_rng([seed, int(1000 * rate)]), 0
    for _ in range(experiments // 100):
        a, b = rng.random((2, 100, STEPS)) < rate
        shown = np.ones((100, STEPS))
        wrong += int((log_e_process(a, shown, b, shown).max(1) >= np.log(20)).sum())
        stage.advance(100)
    return wrong / experiments


def rank(logs: int, impressions: int, seed: int, stage: Stage) -> dict[str, dict[str, float]]:
    """Kendall's tau between what estimators say of trained agents and their true values: least and mean over logs."""
    assert set(RANKED) <= set(AGENTS)
    taus: dict[str, list[float]] = {}
    for number in range(logs):
        world = KnownWorld(seed + number, 1, RANKING_CREATIVES)
        training, _ = _uniform_log(world, impressions // 2, 7000 + number)
        valued, rates = _uniform_log(world, impressions, 8000 + number)
        rng = np.random.default_rng([seed, number])
        shared = Known.of(valued, 0.0, rng)
        truth, said = [], []
        for name in RANKED:
            policy = train(name, training, 0.0, 64, seed)
            found = answers(Evidence(policy, shared), rng)
            said.append({estimator: answer.interval["mean"] for estimator, answer in found.items()})
            parts = (block.rows(rows) for block in valued for rows in row_batches(len(block), BLOCK))
            chance = np.concatenate([policy.chances(part)[0][:, 0] for part in parts])
            truth.append(float((chance * rates).sum(1).mean()))
            stage.advance(1, name)
        for estimator in said[0]:
            tau = kendalltau(truth, [row[estimator] for row in said]).statistic
            taus.setdefault(estimator, []).append(float(tau))
    return {name: {"least": min(values), "mean": float(np.mean(values))} for name, values in taus.items()}


def _uniform_log(known: KnownWorld, impressions: int, seed: int) -> tuple[Log, Array]:
    """A log of one slot under uniform placement as the command reads it, and [n, K] gold rates at its moments."""
    world, seen, frames = known.world, Seen(), []
    world.reset(seed)
    generator = torch.Generator().manual_seed(seed)
    uniform = Fixed(lambda visits, shown: uniform_slates(len(visits), shown, 1, generator))
    serve(world, uniform, known.candidates, impressions, [seen], batch=BLOCK)
    for number, feedback in enumerate(seen.feedback):
        even = torch.full(feedback.slates.shape, 1 / known.creatives)
        frame = log_frame(world, feedback, even, number * BLOCK)
        # Creatives are numbered so that their order as text is that of the columns of `rates`.
        frames.append(frame.assign(creative_id=[f"{code:06d}" for code in frame.creative_id]))
    logged = logged_frame(pd.concat(frames, ignore_index=True), "world", "given-above")
    examined = torch.cat([world.examination[feedback.impressions.channel, :1] for feedback in seen.feedback])
    return logged, (examined * torch.cat(seen.click)).double().numpy()


def _show(coverage: dict[str, Any], calls: dict[str, float], ranking: dict[str, Any], run: Run) -> None:
    for slots, rows in coverage.items():
        for name, row in rows.items():
            line = f"{slots:<8} {name:<32} covers {row['coverage']:.3f}  bias {row['bias'] / row['deviation']:+.2f} sd"
            run.say(line)
    for rate, share in calls.items():
        run.say(f"null experiments at rate {rate}: {share:.2%} called")
    for name, row in ranking.items():
        line = f"ranking by {name:<12} tau {row['mean']:.2f} on average, {row['least']:.2f} at least"
        run.say(line)
