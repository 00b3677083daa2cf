"""Does writing + placement, closed, pay? The main job: tune a writer, place its texts, judge all of it in the gold."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import save_file

from ..simulation.data.errors import InputError
from ..simulation.world import World
from .analysis.report.page import write_report
from .analysis.statistics.bootstrap import Interval
from .analysis.statistics.sequential import call_winner, confidence_sequence
from .harness.files import write_json, write_table
from .harness.run import Run
from .study.placing import Placement, PlacingOptions, competing, place
from .study.rounds import run_rounds
from .study.study import Study
from .tune import Tuning, make_study, tune_writer

WRITERS = ("untuned", "tuned")


@dataclass(frozen=True)
class LoopOptions(PlacingOptions):
    """Options of `copybandit loop`."""

    rounds: int = 1
    """Above 1: log, learn, tune and place so many times, while the world's tastes move; beside it, the texts of the
    first round go on being shown."""
    round_hours: float = 400.0
    """Hours of each round in which what is learned from is logged; after them comes the placement."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds < 1 or not self.round_hours > 0:
            raise InputError(f"--rounds {self.rounds}, --round-hours {self.round_hours}: give 1 or more, and above 0")
        if self.rounds > 1 and (self.archive or self.logs or self.resume):
            raise InputError(
                f"--rounds {self.rounds}: needs a world that goes on, from its start; leave out --archive, --logs and "
                "--resume"
            )


def run_loop(options: LoopOptions) -> Path:
    """`copybandit loop`: leaves report, tuned checkpoint, placement state and creatives in a run directory."""
    run = Run("loop", options)
    rounds = options.rounds > 1
    study = make_study(options, run, hours=options.round_hours if rounds else None)
    _refuse_too_few(study, options)
    if rounds:
        run_rounds(study, options, options.rounds, options.round_hours, run)
        return write_report(run.path).parent
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
    write_table(path / "placement.csv", pd.DataFrame(rows))
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
    write_table(path / "placed.csv", pd.DataFrame(rows, columns=names))
