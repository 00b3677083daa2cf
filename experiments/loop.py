"""Does writing + placement, closed, pay? The main job: tune a writer, place its texts, judge all of it in the gold."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..agents.state import save_agent
from ..simulation.data.catalog import Creative
from ..simulation.data.errors import InputError
from ..simulation.data.pseudonyms import fresh_key
from ..simulation.world import World
from .analysis.loop.story import last_words
from .analysis.report.page import write_report
from .analysis.statistics.bootstrap import Interval
from .analysis.statistics.sequential import call_winner, confidence_sequence
from .harness.files import write_table
from .harness.run import Run
from .placing.cold_start import cold_start
from .placing.combinations import place_combinations
from .placing.fairness import of_placements
from .placing.options import LoopOptions
from .placing.placement import Placement, competing, expected, place, placed_products
from .placing.rounds import run_rounds
from .serving.observers import PlacedLog
from .study.begin import make_study
from .study.study import Study
from .writing.tune_writer import Tuning, tune_writer
from .writing.wording import audience_wording

WRITERS = ("untuned", "tuned")


def run_loop(options: LoopOptions) -> Path:
    """`copybandit loop`: leaves report, tuned checkpoint, placement state and creatives in a run directory."""
    run = Run("loop", options)
    rounds = options.rounds.rounds > 1
    hours = options.rounds.round_hours if rounds else None
    budget = options.private.budget(options.rounds.rounds)
    study = make_study(options, run, hours, options.watch.validation_impressions, budget)
    _refuse_too_few(study, options)
    options.traffic.check(study.world.scenario, study.world.catalog)
    if rounds:
        run_rounds(study, options, run)
        return write_report(run.path).parent
    tuning = tune_writer(study, options, run)
    log = PlacedLog(fresh_key())
    placements = place_all(study, tuning, options, run, log)
    rng = np.random.default_rng(options.run.seed)
    grid: dict[str, dict[str, Interval]] = {}
    for (writer, placement), result in placements.items():
        grid.setdefault(writer, {})[placement] = result.interval(rng)
    _save_placement(run.path, placements)
    _save_placed(run.path, placements, study.world)
    if log:
        write_table(run.path / "log.parquet", log.table)
    summary = {"command": "loop", **tuning.summary, "grid": grid, "ab_test": ab_test(placements)}
    if told := _traffic(placements, options):
        summary["traffic"] = told
    shown = competing(study, tuning.tuned, options)
    summary["refused"]["placed"] = int(study.compliance(options.reward).refused(shown).sum())
    worded = None
    if study.names_products and not study.catalog.queries:
        products, seed = options.placing.wording_products, options.run.seed
        worded = audience_wording(study, tuning.writer, tuning.tuned, products, seed, run)
    summary |= {} if worded is None else {"wording": worded}
    summary["fairness"] = of_placements(run, placements, options.traffic, options.run.seed)
    if study.pictures is not None:
        summary["pictures"]["placing"] = place_combinations(study, shown, options, run)
    if options.placing.cold_start:
        summary["cold_start"] = cold_start(study, tuning, options, run)
    run.finish(summary)
    write_report(run.path)
    run.say(*last_words(run.path))
    return run.path


def _refuse_too_few(study: Study, options: LoopOptions) -> None:
    products = {product.product_id for product, _ in study.asked}
    most = max(Counter(product.product_id for product, _ in study.asked).values())
    creatives = min(options.placing.place_products, len(products)) * most
    if creatives < study.world.slots:
        archive = options.data.archive
        remedy = "" if archive is None else f", or an archive with hundreds of tests in place of {archive}"
        raise InputError(
            f"--place-products {options.placing.place_products}: {len(products)} products to write for and "
            f"{most} audiences make {creatives} creatives for {study.world.slots} slots; "
            f"give more products{remedy}"
        )
    placed = placed_products(study, options)
    shown = [Creative(product.product_id, "", whom) for product, whom in study.asked if product.product_id in placed]
    options.traffic.check_exposure(shown, study.world.catalog, study.world.examination.tolist())


def place_all(
    study: Study, tuning: Tuning, options: LoopOptions, run: Run, log: PlacedLog
) -> dict[tuple[str, str], Placement]:
    """{untuned, tuned} x {uniform, bandit}: the same visitors come to all four; the tuned writer's texts, placed at
    random, are logged.
    """
    results = {}
    with run.stage("placement", total=4 * options.placing.place_impressions) as stage:
        for writer, texts in (("untuned", tuning.untuned), ("tuned", tuning.tuned)):
            creatives = competing(study, texts, options, as_they_come=writer == "untuned")
            known = {"uniform": None, "bandit": expected(study, creatives, options)}
            for placement, name in (("uniform", "random"), ("bandit", options.placing.agent)):
                also = [log] if (writer, placement) == ("tuned", "uniform") else []
                known_here = known[placement]
                results[writer, placement] = place(study.world, creatives, name, options, stage, known_here, also)
    return results


def _traffic(placements: Mapping[tuple[str, str], Placement], options: LoopOptions) -> dict[str, Any]:
    """What the agents had to live with, where it is more than nothing, and what there is to tell of it."""
    given = options.traffic.given
    told: dict[str, Any] = {"options": given} if given else {}
    for (writer, placement), result in placements.items():
        if given:
            told.setdefault(writer, {})[placement] = result.traffic
    return told


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


def _save_placement(path: Path, placements: dict[tuple[str, str], Placement]) -> None:
    rows = [
        {"writer": writer, "placement": placement, "impressions": impressions, "reward": reward}
        for (writer, placement), result in placements.items()
        for impressions, reward in result.curve
    ]
    write_table(path / "placement.csv", pd.DataFrame(rows))
    save_agent(placements["tuned", "bandit"].agent, path / "placement")


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
