"""Catalogs of up to a million rows: time and peak memory against rows, of what reads them and of a job on a few."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ....harness.run import Run
from ...comparison.plots import growth_exponent
from ..options import BenchmarkOptions
from ..process import copybandit, python, run_alone

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (1000, 2000, 4000)
CATEGORIES, BRANDS = 300, 5000
SOME = 40
"""Products that take part in the job."""
JOB = ("loop", "--quick", "--device", "cpu", "--images", "none", "--products", str(SOME))
READ = """
import sys, time
from copybandit.policies.writer.prompts import prompt
from copybandit.simulation.data.catalog import Catalog
start = time.process_time()
catalog = Catalog.read(sys.argv[1])
read = time.process_time()
letters = sum(len(prompt(product)) for product in catalog.products)
print(len(catalog), letters, read - start, time.process_time() - read)
"""
"""Reads a catalog as every command does, and asks for each of its products once."""


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`rows`, and by what: `seconds`, `peak_mb` and the powers of rows with which they grow."""
    sizes = QUICK_SIZES if options.run.quick else SIZES
    rows = []
    with tempfile.TemporaryDirectory() as place, run.stage("catalogs", total=len(sizes)) as stage:
        for size in sizes:
            path = Path(place) / f"{size}.csv"
            made(size, options.run.seed).to_csv(path, index=False)
            rows.append(_one(path, size, Path(place), options.threads, job=not options.run.quick))
            path.unlink()
            stage.advance(1, f"{size:,} rows")
    found = {"rows": list(sizes), "sizes": rows, "job": " ".join(JOB), "exponents": _exponents(rows)}
    for row in rows:
        run.say(
            f"{row['rows']:>9,} rows: read in {row['read_seconds']:.1f} s, all prompts in "
            f"{row['prompt_seconds']:.1f} s, peak {row['read_peak_mb']:,.0f} MB"
        )
    for name, power in found["exponents"].items():
        run.say(f"{name} grows as rows to the {power:.2f}")
    return found


def made(rows: int, seed: int) -> pd.DataFrame:
    """A catalog whose titles all differ."""
    random, numbers = np.random.default_rng(seed), np.arange(rows)
    colours = np.array(["blue", "red", "green", "black", "white"])[random.integers(5, size=rows)]
    return pd.DataFrame(
        {
            "product_id": [f"P{i:07d}" for i in numbers],
            "title": [f"Steel bottle {i}" for i in numbers],
            "category": [f"category {i % CATEGORIES}" for i in numbers],
            "price": random.uniform(1, 100, rows).round(2),
            "brand": [f"Brand {i % BRANDS}" for i in numbers],
            "description": "Keeps water cold for a day and fits every bag",
            "attributes": [f"colour={colour};size={i % 50} cm" for i, colour in zip(numbers, colours, strict=True)],
        }
    )


def _one(path: Path, size: int, place: Path, threads: int, job: bool) -> dict[str, float]:
    read = run_alone(python(READ, str(path)), threads).whole("catalog")
    number, letters, seconds, asked = read.said.split()
    assert int(number) == size
    assert int(letters) > 20 * size
    found = {
        "rows": size,
        "bytes": path.stat().st_size,
        "read_seconds": float(seconds),
        "prompt_seconds": float(asked),
        "read_peak_mb": read.peak_mb,
    }
    if job:
        out = place / f"job-{size}"
        ran = run_alone(copybandit(*JOB, "--catalog", str(path), "--out", str(out)), threads).whole("loop")
        told = json.loads((out / "summary.json").read_text(encoding="utf-8"))
        assert told["command"] == "loop"
        found |= {"job_seconds": ran.cpu_seconds, "job_peak_mb": ran.peak_mb}
    return found


def _exponents(rows: list[dict[str, float]]) -> dict[str, float]:
    """Over the sizes; what a job takes besides the catalog is in it, so of a job they say how little rows weigh."""
    sizes = np.array([row["rows"] for row in rows], dtype=float)
    names = [name for name in rows[0] if name.endswith(("seconds", "peak_mb"))]
    return {name: growth_exponent(sizes, np.array([max(row[name], 1e-3) for row in rows])) for name in names}
