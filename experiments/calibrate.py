"""Does the world behave like my logs, or like my A/B tests? Fits a world, and holds it against what it has not seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..simulation.archive.fit import calibrate_archive
from ..simulation.archive.gold import NEWS
from ..simulation.archive.tests import read_archive
from ..simulation.calibration.evidence import Evidence, evidence_of_open_bandit, read_evidence
from ..simulation.calibration.fit import Calibration, calibrate, predict
from ..simulation.data.catalog import CATALOG_SCHEMA, Catalog
from ..simulation.data.columns import ColumnNames, parse_columns, read_here, refuse_unmet
from ..simulation.data.errors import InputError
from ..simulation.data.log_format import LOG_SCHEMA
from ..simulation.data.open_bandit import joined_logs, read_open_bandit
from ..simulation.scenario import load_scenario, read_scenario
from ..simulation.world_file import save_world
from .analysis.drawing.formats import bracketed, number
from .analysis.fit.another_policy import foretold
from .analysis.fit.archive_fit import picture_and_text, spreads
from .analysis.fit.tables import compared, delays, log_losses
from .analysis.report.page import write_report
from .harness.files import write_table
from .harness.options import Flat, Idle, RunOptions, refuse_below
from .harness.run import Run, Stage

HELD_OUT = 0.2
"""Share of a log, the last in time, or of an archive's stories, that the fit is held against."""
QUICK = 0.25
"""Share of an archive's stories that a smoke-size run looks at."""
QUICK_ROWS = 20_000
"""Rows of a log, the first, that it looks at."""
APPEAL = "appeal: "
"""How effects of appeals are named."""
ALIKE = 0.9
"""Share of rates inside the log's intervals, which hold 95% by chance, from which a world behaves like the log."""
WORLD = "world.safetensors"


@dataclass(frozen=True)
class CalibrateOptions:
    """Options of `copybandit calibrate`."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    logs: Path | None = None
    """Logged impressions, see the log format, or a folder of Parquet files; propensities and some texts may be
    missing."""
    open_bandit: Path | None = None
    """Instead: a folder of the Open Bandit Dataset, such as random/men."""
    on_policy: Path | None = None
    """A second folder, of the same campaign: what its policy earns is foretold from the first."""
    archive: Path | None = None
    """Instead: an archive of A/B tests (Upworthy's, or test_id, text, impressions, clicks)."""
    catalog: Path | None = None
    """The products of the log. Without it they are those of a scenario that is named, or else known by id alone."""
    scenario: str | None = None
    """Words that appeals are known by, and whatever is not logged; shop for logs and news for archives, by default."""
    columns: ColumnNames = ""
    """Columns of log and catalog, or of the archive, that have other names there: text=Headline,clicked=Clicks."""
    users: int = 1000
    """Readers of a world that is fitted to an archive, which does not tell of any."""

    def __post_init__(self) -> None:
        refuse_below(self, users=1)

    def idle(self) -> Idle:
        """A log tells of its users; an Open Bandit folder is read as downloaded."""
        found = {"users": "without --archive: a log tells of its users"} if self.archive is None else {}
        if self.open_bandit is not None:
            found["columns"] = "with --open-bandit, which is read as downloaded"
        return found


def run_calibrate(options: CalibrateOptions) -> Path:
    """`copybandit calibrate`: leaves world.safetensors, tables of the fit and a report.

    Raises:
        InputError: the log is no good, or nothing can be learned from it.
    """
    if sum(given is not None for given in (options.logs, options.open_bandit, options.archive)) != 1:
        raise InputError("give one of a log (--logs FILE), an Open Bandit folder (--open-bandit DIR) or --archive FILE")
    if options.on_policy is not None and options.open_bandit is None:
        raise InputError("--on-policy goes with --open-bandit; give both")
    if options.catalog is not None and options.logs is None:
        raise InputError("--catalog goes with --logs; the others have products of their own")
    run = Run("calibrate", options)
    summary = _of_archive(options, run) if options.archive is not None else _of_log(options, run)
    for note in summary["notes"]:
        run.say(f"not fitted or left out: {note}")
    run.finish({"command": "calibrate", **summary})
    write_report(run.path)
    run.say("Which placement policy is best there, and whether writing for its products pays")
    for command in ("compare", "loop"):
        run.say(f"  copybandit {command} --scenario {run.path}")
    return run.path


def _of_log(options: CalibrateOptions, run: Run) -> dict[str, Any]:
    scenario, products = load_scenario(options.scenario or "shop")
    evidence, other = _evidence(options, products)
    if options.run.quick:
        evidence = evidence.rows(np.arange(len(evidence)) < QUICK_ROWS)
    first = np.arange(len(evidence)) < (1 - HELD_OUT) * len(evidence)
    with run.stage("fit, held against later days") as stage:
        seen, later = evidence.rows(first), evidence.rows(~first)
        trial = calibrate(seen, scenario, seed=options.run.seed, progress=_told(stage))
        rates = predict(trial, evidence)[~first]
    with run.stage("fit of all") as stage:
        final = calibrate(evidence, scenario, seed=options.run.seed, progress=_told(stage))
    fit, doubt = compared(later, rates), _of_texts(final)
    held_out, inside = log_losses(later.clicked, rates, float(seen.clicked.mean())), float(fit["inside"].mean())
    answer = _answer(held_out, inside)
    parts = final.scenario, final.evidence.catalog, final.audience.in_no_order(), final.scales
    save_world(run.path / WORLD, *parts, notes=[f"fitted to {_source(options)}: {answer}. Of copy {doubt}"])
    write_table(run.path / "fit.csv", fit)
    write_table(run.path / "delays.csv", delays(later, trial.scenario.conversion_delay_hours))
    write_table(run.path / "effects.csv", pd.DataFrame([vars(effect) for effect in final.effects]))
    summary = {
        "impressions": len(evidence),
        "clicks": int(evidence.clicked.sum()),
        "held_out": held_out,
        "inside": inside,
        "answer": answer,
        "of_texts": doubt,
        "notes": [*final.notes, *_without_pictures(evidence.catalog)],
    }
    if other is not None and options.open_bandit is not None and options.on_policy is not None:
        summary["foretold"] = foretold(final, other, options.open_bandit, options.on_policy, options.run.seed)
    _show_log(run, final, summary)
    return summary


def _without_pictures(catalog: Catalog) -> list[str]:
    shown = any(product.images for product in catalog.products)
    return ["pictures: users of a fitted world see text alone"] if shown else []


def _told(stage: Stage) -> Callable[[str], None]:
    return lambda note: stage.advance(0, note)


def _evidence(options: CalibrateOptions, products: Catalog) -> tuple[Evidence, Evidence | None]:
    """What the world is fitted to, and the other policy's log, where there is one."""
    if options.logs is not None:
        tables = [*LOG_SCHEMA.columns, *(CATALOG_SCHEMA.columns if options.catalog else ())]
        columns = read_here(parse_columns(options.columns), tables, user_columns=True)
        known = None if options.scenario is None else products
        if options.catalog is not None:
            known = Catalog.read(options.catalog, columns=columns).with_queries(products.queries)
        evidence = read_evidence(options.logs, known, columns, options.run.seed)
        refuse_unmet(columns, options.catalog, options.logs)
        return evidence, None
    assert options.open_bandit is not None
    log = read_open_bandit(options.open_bandit)
    if options.on_policy is None:
        return evidence_of_open_bandit(log, str(options.open_bandit)), None
    # Read together, users and segments have the same names in both.
    both = evidence_of_open_bandit(joined_logs(log, read_open_bandit(options.on_policy)), str(options.open_bandit))
    first = np.arange(len(both)) < len(log)
    return both.rows(first), both.rows(~first)


def _of_archive(options: CalibrateOptions, run: Run) -> dict[str, Any]:
    assert options.archive is not None
    scenario = read_scenario(NEWS) if options.scenario is None else load_scenario(options.scenario)[0]
    archive = read_archive(options.archive, parse_columns(options.columns))
    if options.run.quick:
        archive = archive.split((QUICK, 1 - QUICK), options.run.seed)[0]
    seen, later = archive.split((1 - HELD_OUT, HELD_OUT), options.run.seed)
    seen.check_tells("the part that is fitted")
    given = {"seed": options.run.seed, "users": options.users}
    with run.stage("fit, held against other tests") as stage:
        trial = calibrate_archive(seen, scenario, progress=_told(stage), **given)
        held_out = spreads(later, trial.world_of(later), options.run.seed)
    with run.stage("fit of all") as stage:
        final = calibrate_archive(archive, scenario, progress=_told(stage), **given)
        save_world(run.path / WORLD, final.scenario, final.catalog, final.audience, final.scales, final.reader)
        own = spreads(archive, final.world(seed=options.run.seed), options.run.seed)
    unseen = {name: getattr(final.unseen, name) for name in ("explained", "accuracy", "accuracy_significant", "slope")}
    summary = {
        "tests": len(archive),
        "texts": len(archive.arms),
        "spread": {"held_out": held_out, "own": own},
        "text_model": unseen | {"residual": final.own.deviation},
        "picture_and_text": picture_and_text(archive, options.run.seed),
        "notes": list(final.notes),
    }
    _show_archive(run, summary)
    return summary


def _show_log(run: Run, final: Calibration, summary: dict[str, Any]) -> None:
    run.say(f"{'effect (log-odds unless hours)':<36} {'mean':>8}  95% interval")
    for effect in final.effects:
        run.say(f"{effect.name:<36} {effect.mean:>+8.3f}  [{effect.low:+.3f}, {effect.high:+.3f}]")
    loss = summary["held_out"]
    run.say(f"held-out log-loss {loss['log_loss']:.5f}, of the base rate {loss['log_loss_of_base_rate']:.5f}")
    run.say(f"CTR by position, channel, segment, hour, decile: {summary['inside']:.0%} inside the log's intervals")
    run.say(summary["answer"], summary["of_texts"])
    if "foretold" in summary:
        found = summary["foretold"]
        for name, title in (("earned", "earned"), ("world", "this world"), ("direct_method", "the direct method")):
            row = found[name]
            run.say(f"{found['policy']}, by {title:<18} {bracketed(row, '.5f')}")


def _source(options: CalibrateOptions) -> str:
    return Path(options.logs or options.open_bandit or options.archive or "").name


def _of_texts(final: Calibration) -> str:
    """How much of what its users like in copy the log tells; the rest is what was assumed."""
    appeals = [effect for effect in final.effects if effect.name.startswith(APPEAL)]
    told = [one.name.removeprefix(APPEAL) for one in appeals if one.low > 0 or one.high < 0]
    found = f"the log tells {len(told)} of {len(appeals)} appeals of its texts from zero"
    if not told:
        return f"{found}: what these users like in copy is hardly known, and lift from writing for them says little"
    return f"{found} ({', '.join(told)}); what else these users like in copy is hardly known"


def _answer(loss: Mapping[str, float], inside: float) -> str:
    """Does the world behave like the log? By the rates of groups, and by rows that the fit did not see."""
    alike = inside >= ALIKE
    foretells = loss["log_loss"] < loss["log_loss_of_base_rate"]
    if alike and foretells:
        return (
            "the world behaves like the log: it has its rates, and foretells later clicks better than their mean rate"
        )
    if alike:
        return (
            "the world has the log's rates, and foretells later clicks no better than their mean rate: the log hardly "
            "tells what moves its users"
        )
    off = f"{1 - inside:.0%} of the groups' CTR lie outside its intervals (fit.csv)"
    return f"the world does not behave like the log: {off}"


def _show_archive(run: Run, summary: dict[str, Any]) -> None:
    if (found := summary["picture_and_text"]) is not None:
        shares = [f"{name} {bracketed(found[f'{name}_share'], '.0%')}" for name in ("headline", "picture", "interplay")]
        run.say(f"of the variance between packages of a test: {', '.join(shares)}")
    for name, title in (("held_out", "tests held out"), ("own", "its own tests")):
        found = summary["spread"][name]
        texts, ratio = found["texts"], found["texts"]["ratio"]
        run.say(
            f"{title}: texts inside a test differ by {texts['archive']['mean']:.3f} log-odds in the archive, "
            f"{texts['world']['mean']:.3f} in the world, ratio {bracketed(ratio, '.2f')}; tests by "
            f"{number(found['tests']['archive'])} and {number(found['tests']['world'])}",
        )
