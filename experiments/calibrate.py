"""Does the world behave like my logs? Fits a world to a log, and holds it against days that it has not seen."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from ..simulation.calibration import Calibration, calibrate, predict
from ..simulation.catalog import Catalog
from ..simulation.evidence import Evidence, Floats, evidence_of_open_bandit, read_evidence
from ..simulation.open_bandit import read_open_bandit
from ..simulation.scenario import load_scenario
from ..simulation.tables import InputError
from ..simulation.world_file import save_world
from .analysis.report import write_report
from .config import CommonOptions
from .runs import Run

HELD_OUT = 0.2
"""Share of the log, the last in time, that the fit is held against."""


@dataclass(frozen=True)
class CalibrateOptions(CommonOptions):
    """Options of `copybandit calibrate`."""

    logs: Path | None = None
    """Logged impressions, see the log format; propensities and some texts may be missing."""
    open_bandit: Path | None = None
    """Instead: a folder of the Open Bandit Dataset, such as random/men."""
    catalog: Path | None = None
    """The products of the log; without it they are known by their id alone."""
    scenario: str = "shop"
    """Words that appeals are known by, and whatever a log does not say."""


def run_calibrate(options: CalibrateOptions) -> Path:
    """`copybandit calibrate`: leaves world.safetensors, effects.csv, fit.csv and a report.

    Raises:
        InputError: the log is no good, or nothing can be learned from it.
    """
    if (options.logs is None) == (options.open_bandit is None):
        raise InputError("give a log: either --logs FILE or --open-bandit DIR")
    run = Run("calibrate", options)
    scenario, known = load_scenario(options.scenario)
    evidence = _evidence(options, known)
    order = np.arange(len(evidence)) < (1 - HELD_OUT) * len(evidence)
    with run.stage("fit, held against later days") as stage:
        seen, later = evidence.rows(order), evidence.rows(~order)
        trial = calibrate(seen, scenario, seed=options.seed, progress=lambda note: stage.advance(0, note))
        rates = predict(trial, evidence)[~order]
        fit = compared(later, rates)
    with run.stage("fit of all") as stage:
        final = calibrate(evidence, scenario, seed=options.seed, progress=lambda note: stage.advance(0, note))
        save_world(run.path / "world.safetensors", final.scenario, final.evidence.catalog, final.audience, final.scales)
    fit.to_csv(run.path / "fit.csv", index=False)
    _effects(final).to_csv(run.path / "effects.csv", index=False)
    summary = {
        "command": "calibrate",
        "impressions": len(evidence),
        "clicks": int(evidence.clicked.sum()),
        "held_out": log_losses(later.clicked, rates, float(seen.clicked.mean())),
        "inside": float(fit["inside"].mean()),
        "notes": list(final.notes),
    }
    run.finish(summary)
    _show(run, final, fit, summary)
    write_report(run.path)
    return run.path


def _evidence(options: CalibrateOptions, known: Catalog) -> Evidence:
    if options.open_bandit is not None:
        return evidence_of_open_bandit(read_open_bandit(options.open_bandit), str(options.open_bandit))
    assert options.logs is not None
    if options.catalog is not None:
        return read_evidence(options.logs, Catalog.read(options.catalog).with_queries(known.queries))
    return read_evidence(options.logs, known if options.scenario != "shop" or _speaks_of(options.logs, known) else None)


def _speaks_of(path: Path, catalog: Catalog) -> bool:
    """Whether a log's first product is the scenario's own."""
    try:
        first = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, nrows=1)
        return str(first["product_id"].iloc[0]) in catalog.index
    except (OSError, ValueError, KeyError, IndexError):
        return False  # what is wrong with the file is said when it is read as a log


def log_losses(clicked: Floats, rates: Floats, base_rate: float) -> dict[str, float]:
    """Mean log-loss of the fit, and of the base rate of the days before."""

    def loss(rate: Floats) -> float:
        rate = np.clip(rate, 1e-9, 1 - 1e-9)
        return float(-(clicked * np.log(rate) + (1 - clicked) * np.log1p(-rate)).mean())

    return {"log_loss": loss(rates), "log_loss_of_base_rate": loss(np.full(len(clicked), base_rate))}


def compared(evidence: Evidence, rates: Floats) -> pd.DataFrame:
    """CTR as fitted beside the log's with its 95% interval (Wilson), by position, channel, hour, segment and decile.

    Returns:
        A row a group: by, group, rows, clicks, low, high, fitted, inside.
    """
    segment = evidence.segment_of[evidence.user]
    decile = pd.qcut(rates, 10, labels=False, duplicates="drop") if len(rates) >= 10 else np.zeros(len(rates))
    groups: dict[str, Any] = {
        "position": evidence.position + 1,
        "channel": np.array(evidence.channels)[evidence.channel],
        "segment": np.array(evidence.segments)[segment],
        "decile of the fit": np.asarray(decile) + 1,
    }
    if evidence.clock is not None:
        groups["hours of the day"] = [f"{int(h // 6) * 6:02d} to {int(h // 6) * 6 + 6:02d}" for h in evidence.clock]
    parts = []
    for by, group in groups.items():
        frame = pd.DataFrame({"group": np.asarray(group).astype(str), "clicks": evidence.clicked, "fitted": rates})
        table = frame.groupby("group").agg(rows=("clicks", "size"), clicks=("clicks", "sum"), fitted=("fitted", "mean"))
        parts.append(table.reset_index().assign(by=by))
    frame = pd.concat(parts, ignore_index=True)
    frame["low"], frame["high"] = wilson(frame["clicks"].to_numpy(), frame["rows"].to_numpy())
    frame["inside"] = frame["fitted"].between(frame["low"], frame["high"])
    return frame[["by", "group", "rows", "clicks", "low", "high", "fitted", "inside"]]


def wilson(successes: Floats, trials: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Interval of a proportion (Wilson, 1927)."""
    z = float(norm.ppf((1 + level) / 2))
    centre = (successes + z**2 / 2) / (trials + z**2)
    half = z / (trials + z**2) * np.sqrt(successes * (trials - successes) / trials + z**2 / 4)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def _effects(calibration: Calibration) -> pd.DataFrame:
    return pd.DataFrame([vars(effect) for effect in calibration.effects])


def _show(run: Run, final: Calibration, fit: pd.DataFrame, summary: dict[str, Any]) -> None:
    def say(line: str) -> None:
        run.console.print(line, soft_wrap=True, markup=False)

    say(f"{'effect (log-odds unless hours)':<36} {'mean':>8}  95% interval")
    for effect in final.effects:
        say(f"{effect.name:<36} {effect.mean:>+8.3f}  [{effect.low:+.3f}, {effect.high:+.3f}]")
    loss = summary["held_out"]
    say(f"held-out log-loss {loss['log_loss']:.5f}, of the base rate {loss['log_loss_of_base_rate']:.5f}")
    say(
        f"CTR by position, channel, segment, hour and decile: {fit['inside'].mean():.0%} inside the log's 95% intervals"
    )
    for note in final.notes:
        say(f"not fitted or left out: {note}")
