"""The recovery part of `copybandit benchmark`: is a known world found again from its log, and are policies ranked in
the fitted world as in the true one?
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import kendalltau

from .....simulation.calibration.evidence import Evidence, read_evidence
from .....simulation.calibration.fit import Calibration, calibrate
from .....simulation.logs import log_frame, stream_uniform
from .....simulation.scenario import Scenario, load_scenario
from .....simulation.world import World, make_world
from ....harness.files import load_table
from ....harness.run import Run
from ...off_policy.rate_policies import rate_policies, value_in_world
from ..options import BenchmarkOptions
from .true_effects import true_effects

IMPRESSIONS, SERVED = 200_000, 20_000
"""Visits logged, of three slots each, and visits that each policy is valued on."""
BATCH = 250
"""Visits at once: fatigue acts from one batch to the next."""


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`recovery`: how often each main effect's interval holds the truth, the position curve, the ranking of policies.

    What each world gave is in effects.csv, slots.csv and policies.csv as soon as it is known.
    """
    shrink = 20 if options.run.quick else 1
    worlds = options.worlds
    with run.stage("worlds found again", total=worlds) as stage:
        for seed in range(options.run.seed, options.run.seed + worlds):
            found = recover(seed, IMPRESSIONS // shrink, SERVED // shrink)
            for name, table in found.items():
                path = run.path / f"{name}.csv"
                table.assign(world=seed).to_csv(path, mode="a", header=not path.exists(), index=False)
            stage.advance(1, f"world {seed}")
    tables = {name: load_table(run.path / f"{name}.csv") for name in ("effects", "slots", "policies")}
    summary = summarised(**tables)
    _show(summary, run)
    return {"recovery": summary}


def recover(seed: int, impressions: int, served: int) -> dict[str, pd.DataFrame]:
    """Logs a known world, fits another to the log, and lays them side by side: `effects`, `slots` and `policies`."""
    world = known_world(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        uniform_log(world, impressions, seed).to_parquet(path, index=False)
        evidence = read_evidence(path, world.catalog)
    found = calibrate(evidence, without_people(world.scenario), seed=seed)
    return {
        "effects": _effects(world, found),
        "slots": _slots(world, found.scenario),
        "policies": _policies(world, found.world(seed=seed), evidence, served),
    }


def known_world(seed: int) -> World:
    """The shop without what no log can tell: the pull of competitors, interests that move."""
    scenario, catalog = load_scenario("shop")
    channels = {name: channel.model_copy(update={"competitors": 0.0}) for name, channel in scenario.channels.items()}
    quiet = {"channels": channels, "interest_gain": 0.0, "interest_loss": 0.0}
    return make_world(scenario.model_copy(update=quiet), catalog, seed=seed)


def without_people(scenario: Scenario) -> Scenario:
    """A scenario that says nothing of what its people like: the fit has to find it."""
    blank = {n: s.model_copy(update={"tastes": {}, "interests": {}}) for n, s in scenario.segments.items()}
    return scenario.model_copy(update={"segments": blank, "category_tastes": {}})


def uniform_log(world: World, impressions: int, seed: int) -> pd.DataFrame:
    """The world's reference ads at random, in the log format; read when the last visitor has come."""
    candidates = world.publish(world.catalog.ads)
    even = torch.full((BATCH, world.slots), 1 / len(candidates))
    end = impressions / world.scenario.visits_per_hour
    uniform = stream_uniform(world, candidates, impressions, torch.Generator().manual_seed(seed), BATCH)
    frames = [
        log_frame(world, feedback, even[: len(feedback.slates)], i * BATCH, read_at_hours=end)
        for i, feedback in enumerate(uniform)
    ]
    return pd.concat(frames, ignore_index=True)


def _effects(world: World, found: Calibration) -> pd.DataFrame:
    truth = true_effects(world, found.evidence)
    rows = [(e.name, truth[e.name], e.mean, e.low, e.high) for e in found.effects]
    return pd.DataFrame(rows, columns=["effect", "truth", "mean", "low", "high"])


def _slots(world: World, fitted: Scenario) -> pd.DataFrame:
    """How often each slot is looked at, over all channels."""
    channels = world.scenario.channels
    share = np.array([channel.share for channel in channels.values()])
    true, found = (
        share @ np.array([of[name].examination for name in channels]) / share.sum()
        for of in (channels, fitted.channels)
    )
    return pd.DataFrame({"slot": np.arange(1, len(true) + 1), "truth": true, "fitted": found})


def _policies(world: World, fitted: World, evidence: Evidence, served: int) -> pd.DataFrame:
    creatives = evidence.catalog.ads
    # The true world has published its ads in another order.
    true = make_world(world.scenario, world.catalog, audience=world.audience, scales=world.scales, reader=world.reader)
    rows = []
    for name, policy in rate_policies(evidence).items():
        values = [value_in_world(each, creatives, policy, served) for each in (true, fitted)]
        again = value_in_world(true, creatives, policy, served, seed=1)
        rows.append((name, *(v for pair in zip(*values, strict=True) for v in pair), *again))
    columns = ["clicks", "clicks_fitted", "reward", "reward_fitted", "clicks_again", "reward_again"]
    return pd.DataFrame(rows, columns=["policy", *columns])


def summarised(effects: pd.DataFrame, slots: pd.DataFrame, policies: pd.DataFrame) -> dict[str, Any]:
    """Figures over all worlds of the three tables.

    `tau` compares true and fitted world; `tau_again` the true world with itself and other visitors, which no fit can
    pass.
    """
    effects = effects.assign(
        inside=effects["truth"].between(effects["low"], effects["high"]),
        error=effects["mean"] - effects["truth"],
        z=3.92 * (effects["mean"] - effects["truth"]) / (effects["high"] - effects["low"]),
    )
    by_effect = effects.groupby("effect", sort=False).agg(
        inside=("inside", "mean"), bias=("error", "mean"), z=("z", "mean"), worlds=("inside", "size")
    )
    off = (slots["fitted"] / slots["truth"] - 1).abs()
    tau = {"tau_clicks": ("clicks", "clicks_fitted"), "tau_reward": ("reward", "reward_fitted")}
    tau |= {"tau_clicks_again": ("clicks", "clicks_again"), "tau_reward_again": ("reward", "reward_again")}
    ranking = {}
    for name, (first, second) in tau.items():
        found = [kendalltau(group[first], group[second]).statistic for _, group in policies.groupby("world")]
        ranking[name] = {"mean": float(np.mean(found)), "least": float(np.min(found))}
    return {
        "worlds": int(effects["world"].nunique()),
        "inside": float(effects["inside"].mean()),
        "effects_held": float((by_effect["inside"] >= 0.9).mean()),
        "effects": by_effect.to_dict("index"),
        "position_error": {"mean": float(off.mean()), "most": float(off.max())},
        "ranking": ranking,
    }


def _show(summary: dict[str, Any], run: Run) -> None:
    run.say(f"{'effect':<34} {'intervals that hold the truth':>30} {'bias':>8} {'in se':>7}")
    for name, row in summary["effects"].items():
        run.say(f"{name:<34} {row['inside']:>30.0%} {row['bias']:>+8.3f} {row['z']:>+7.2f}")
    run.say(
        f"{summary['worlds']} worlds: {summary['inside']:.1%} of all intervals hold the truth, "
        f"{summary['effects_held']:.0%} of effects do in 90% of worlds"
    )
    error = summary["position_error"]
    run.say(f"looks by slot: off by {error['mean']:.1%} on average, {error['most']:.1%} at most")
    for name, row in summary["ranking"].items():
        run.say(f"{name:<18} {row['mean']:.2f} on average, {row['least']:.2f} at least")
