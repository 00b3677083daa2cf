"""Do the intervals of `offline` hold the truth, for each kind of policy, estimator and number of slots, in memory and
from a folder?
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from .....simulation.data.log_folder import read_log_folder
from .....simulation.logs import log_frame, uniform_slates
from ....harness.run import Run
from ....serving.serve import Fixed, serve
from ...off_policy.evaluation import answers
from ...off_policy.evidence import Evidence, Known
from ...off_policy.known_logs import KnownWorld, Seen
from ...off_policy.log_builder import build, logged_frame
from ...off_policy.logged import Log
from ...off_policy.policies import FixedPreferences, Policy, fixed_policy, row_batches, train
from ...statistics.bootstrap import Array, Interval
from ...statistics.intervals import wilson

LOGS, IMPRESSIONS, CREATIVES, DRAWS = 300, 4000, 6, 32
QUICK_LOGS = 6
FOLDERS = 5
"""Logs that are also read from a folder, whose figures have to be the same to the last bit."""
AGENTS = ("epsilon-greedy", "softmax", "lints")
NOT_NEEDED = ("product_id", "text")


def measure(run: Run, seed: int) -> dict[str, Any]:
    """`rows`, one a policy, estimator and number of slots; `folders`, how many were read both ways, and how many the
    same.
    """
    logs, rows, folders = QUICK_LOGS if run.options.run.quick else LOGS, [], {"tried": 0, "the_same": 0}
    with run.stage("offline", total=2 * logs) as stage:
        for slots in (1, 3):
            known = KnownWorld(seed, slots, CREATIVES)
            policies = _policies(known, seed)
            found: dict[tuple[str, str], list[Interval]] = {}
            truths: dict[str, list[float]] = {name: [] for name in policies}
            for number in range(logs):
                frame, rates = _frame(known, IMPRESSIONS, 1_000_000 * (seed + 1) + number)
                log = logged_frame(frame, "world", "given-above")
                said = dict(_said(log, policies, number))
                if number < FOLDERS:
                    folders["tried"] += 1
                    folders["the_same"] += said == _of_folder(frame, policies, number)
                for key, interval in said.items():
                    found.setdefault(key, []).append(interval)
                for name, policy in policies.items():
                    truths[name].append(_truth(policy, log, rates))
                stage.advance(1, f"{slots} slots")
            rows += [
                {"policy": name, "estimator": estimator, "slots": slots, **_covered(intervals, truths[name])}
                for (name, estimator), intervals in found.items()
            ]
    outside = [row for row in rows if row["high"] < 0.93 or row["low"] > 0.97]
    run.say(
        f"intervals of offline, {len(rows)} configurations: {len(rows) - len(outside)} cover 93% to 97%, error given"
    )
    run.say(*(f"  NOT: {r['policy']}, {r['estimator']}, {r['slots']} slots: {r['coverage']:.1%}" for r in outside))
    run.say(f"from a folder: {folders['the_same']} of {folders['tried']} logs say the same to the last bit")
    return {"rows": rows, "folders": folders, "logs": logs, "impressions": IMPRESSIONS}


def _policies(known: KnownWorld, seed: int) -> dict[str, Policy]:
    """Of each kind that the command values; agents have learned from a log of their own, and learn no more."""
    frame, _ = _frame(known, IMPRESSIONS, 5000 + seed)
    log = logged_frame(frame, "world", "given-above")
    mine = np.linspace(1.0, 2.0, log.creatives)
    found: dict[str, Policy] = {
        name: policy for name in ("uniform", f"only={log.names[0]}") if (policy := fixed_policy(name, log)) is not None
    }
    found["table"] = FixedPreferences(np.repeat((mine / mine.sum())[None], log.places, axis=0))
    return found | {name: train(name, log, 0.0, DRAWS, seed) for name in AGENTS}


def _said(log: Log, policies: dict[str, Policy], number: int) -> Iterator[tuple[tuple[str, str], Interval]]:
    known = Known.of(log, 0.0, np.random.default_rng(number))
    for name, policy in policies.items():
        for estimator, answer in answers(Evidence(policy, known), np.random.default_rng([number, 1])).items():
            yield (name, estimator), answer.interval


def _of_folder(frame: pd.DataFrame, policies: dict[str, Policy], number: int) -> dict[tuple[str, str], Interval]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "logs"
        folder.mkdir()
        half = len(frame) // 2 // 3 * 3
        for part, rows in enumerate((frame.iloc[:half], frame.iloc[half:])):
            rows.to_parquet(folder / f"part-{part}.parquet", index=False)
        frames = read_log_folder(folder, without=NOT_NEEDED, skip=NOT_NEEDED)
        log = build(frames, "world", "given-above", agents=True, on_disk=True)
        return dict(_said(log, policies, number))


def _frame(known: KnownWorld, impressions: int, seed: int) -> tuple[pd.DataFrame, Array]:
    """A log under uniform placement, and [n, L, K] gold rates at its moments; creatives in the order of their names."""
    world, seen = known.world, Seen()
    world.reset(seed)
    generator = torch.Generator().manual_seed(seed)
    uniform = Fixed(lambda visits, shown: uniform_slates(len(visits), shown, known.slots, generator))
    serve(world, uniform, known.candidates, impressions, [seen], batch=impressions)
    feedback = seen.feedback[0]
    even = (1 / (known.creatives - torch.arange(known.slots))).expand(feedback.slates.shape)
    frame = log_frame(world, feedback, even, 0)
    frame = frame.assign(creative_id=[f"{code:06d}" for code in frame.creative_id])
    examined = world.examination[feedback.impressions.channel, : known.slots]
    return frame, (examined[:, :, None] * seen.click[0][:, None]).double().numpy()


def _truth(policy: Policy, log: Log, rates: Array) -> float:
    """Clicks an impression that a policy earns in expectation at the moments of a log."""
    parts = (block.rows(rows) for block in log for rows in row_batches(len(block), 4096))
    return float((np.concatenate([policy.chances(part)[0] for part in parts]) * rates).sum((1, 2)).mean())


def _covered(intervals: list[Interval], truths: list[float]) -> dict[str, float]:
    """How often intervals held the mean of the truths, with its own error (Wilson); bias in standard deviations."""
    truth = float(np.mean(truths))
    low, mean, high = (np.array([interval[key] for interval in intervals]) for key in ("low", "mean", "high"))
    held = (low <= truth) & (truth <= high)
    least, most = wilson(np.array(held.sum()), np.array(len(held)))
    return {
        "coverage": float(held.mean()),
        "low": float(least),
        "high": float(most),
        "logs": len(held),
        "bias": float((mean.mean() - truth) / max(mean.std(), 1e-12)),
        "missed_above": float((low > truth).mean()),
        "missed_below": float((high < truth).mean()),
    }
