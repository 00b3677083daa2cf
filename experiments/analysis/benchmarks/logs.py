"""The logs part of `copybandit benchmark`: a log that outgrows memory, valued by `copybandit offline` in a child."""

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from ...harness.run import Run, Stage
from ..off_policy import plackett_luce
from ..statistics.bootstrap import Array
from .options import BenchmarkOptions
from .process import copybandit, run_alone

SLOTS, CREATIVES, USERS = 3, 25, 1_000_000
CHANNELS, SEGMENTS = ("search", "feed"), ("new", "returning", "loyal")
PART = 500_000
"""Impressions of a file, which is a day."""
BATCH = 65_536
QUICK_ROWS = 300_000
VALUED = "creative-07"


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`logs`: rows a second and peak memory of `offline` on a folder, and whether it finds what the policies earn."""
    impressions = (QUICK_ROWS if options.run.quick else options.rows) // SLOTS
    with tempfile.TemporaryDirectory() as temporary:
        made = MadeLog(options.run.seed)
        with run.stage("log", total=impressions) as stage:
            size = made.write(Path(temporary) / "logs", impressions, stage)
        (Path(temporary) / "mine.csv").write_text(made.mine())
        with run.stage("offline"):
            found = _offline(Path(temporary), run.path.resolve() / "offline", options.threads)
    rows = impressions * SLOTS
    truth = made.truth()
    held = [
        entry["low"] <= truth[policy] <= entry["high"]
        for policy in truth
        for entry in found["summary"]["estimates"][policy].values()
    ]
    figures = {
        "rows": rows,
        "impressions": impressions,
        "bytes": size,
        "seconds": found["seconds"],
        "cpu_seconds": found["cpu_seconds"],
        "rows_per_second": rows / found["seconds"],
        "peak_rss_bytes": found["peak_rss_bytes"],
        "stages": found["summary"]["wall_seconds"],
        "policies": list(found["summary"]["estimates"]),
        "truth": truth,
        "intervals": len(held),
        "intervals_that_hold_the_truth": sum(held),
        "threads": options.threads,
        "versions": {name: version(name) for name in ("pyarrow", "pandas", "numpy")},
    }
    run.say(
        f"{rows:,} rows in {figures['seconds']:.0f} s, {figures['rows_per_second']:,.0f} a second; "
        f"peak {figures['peak_rss_bytes'] / 2**20:,.0f} MiB; {sum(held)} of {len(held)} intervals hold the truth"
    )
    return {"logs": figures}


class MadeLog:
    """Slates by known preferences (Plackett-Luce) of a context, clicked by known rates: every propensity is exact."""

    def __init__(self, seed: int) -> None:
        """Draws preferences and rates."""
        self._rng = rng = np.random.default_rng(seed)
        contexts = len(CHANNELS) * len(SEGMENTS)
        self.preference = np.exp(rng.normal(0, 0.5, (contexts, CREATIVES)))
        looks = 0.6 ** np.arange(SLOTS)
        click = 0.04 * np.exp(rng.normal(0, 0.4, (contexts, CREATIVES)))
        self.rates = looks[None, :, None] * click[:, None, :]
        """[S, L, K]."""
        self.share = rng.dirichlet(np.full(contexts, 10.0))
        mine = np.exp(rng.normal(0, 0.7, CREATIVES))
        self._mine = mine / mine.sum()

    def mine(self) -> str:
        """A policy that is the same for everyone, as a table."""
        rows = [f"{_name(k)},{chance!r}" for k, chance in enumerate(self._mine.tolist())]
        return "\n".join(["creative_id,probability", *rows]) + "\n"

    def truth(self) -> dict[str, float]:
        """Clicks an impression that each policy earns in expectation."""
        even = np.full((SLOTS, CREATIVES), 1 / CREATIVES)
        return {"uniform": self._value(even), "mine": self._value(plackett_luce.in_slot(self._mine[None], SLOTS)[0])}

    def _value(self, in_slot: Array) -> float:
        return float(self.share @ (self.rates * in_slot).sum((1, 2)))

    def write(self, folder: Path, impressions: int, stage: Stage) -> int:
        """Writes so many impressions, a file a day; returns their bytes."""
        first, size = 0, 0
        while first < impressions:
            day = np.datetime64("2026-01-01") + first // PART
            path = folder / f"date={day}" / "part-0.parquet"
            path.parent.mkdir(parents=True)
            last = min(first + PART, impressions)
            with parquet.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
                for start in range(first, last, BATCH):
                    writer.write_table(self._table(start, min(BATCH, last - start)))
                    stage.advance(min(BATCH, last - start))
            first, size = last, size + path.stat().st_size
        return size

    def _table(self, first: int, n: int) -> pa.Table:
        rng = self._rng
        context = rng.choice(len(self.share), size=n, p=self.share)
        preference = self.preference[context]
        slates = plackett_luce.draw_slates(preference, SLOTS, rng)
        chances = plackett_luce.given_above(preference, slates)
        propensity = np.take_along_axis(chances, slates[:, :, None], 2)[..., 0]
        clicked = rng.random((n, SLOTS)) < self.rates[context[:, None], np.arange(SLOTS), slates]
        visit = np.arange(first, first + n)
        columns = {
            "impression_id": np.repeat(visit, SLOTS),
            "timestamp": np.repeat(np.datetime64("2026-01-01", "ms") + visit * 86_400_000 // PART, SLOTS),
            "user_id": np.repeat(rng.integers(0, USERS, n), SLOTS),
            "channel": _words(CHANNELS, np.repeat(context % len(CHANNELS), SLOTS)),
            "position": np.tile(np.arange(SLOTS, dtype=np.int8), n),
            "creative_id": _words([_name(k) for k in range(CREATIVES)], slates.ravel()),
            "propensity": propensity.ravel(),
            "clicked": clicked.ravel(),
            "user_segment": _words(SEGMENTS, np.repeat(context // len(CHANNELS), SLOTS)),
        }
        return pa.table(columns, schema=SCHEMA)


SCHEMA = pa.schema(
    {
        "impression_id": pa.int64(),
        "timestamp": pa.timestamp("ms"),
        "user_id": pa.int64(),
        "channel": pa.string(),
        "position": pa.int8(),
        "creative_id": pa.string(),
        "propensity": pa.float64(),
        "clicked": pa.bool_(),
        "user_segment": pa.string(),
    }
)


def _name(k: int) -> str:
    return f"creative-{k:02d}"


def _words(words: Any, codes: Any) -> pa.Array:
    return pa.array(list(words), pa.string()).take(pa.array(codes))


def _offline(folder: Path, out: Path, threads: int) -> dict[str, Any]:
    """Runs the command in a process of its own, whose memory is then known."""
    policy = f"uniform,only={VALUED},{folder / 'mine.csv'}"
    given = ["offline", "--logs", folder / "logs", "--policy", policy, "--out", out]
    used = run_alone(copybandit(*map(str, given)), threads).whole("copybandit offline")
    return {
        "seconds": used.seconds,
        "cpu_seconds": used.cpu_seconds,
        "peak_rss_bytes": used.peak_bytes,
        "summary": json.loads((out / "summary.json").read_text(encoding="utf-8")),
    }
