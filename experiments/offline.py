"""What would this policy have earned on these logs? Off-policy evaluation, several policies at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..agents.registry import KINDS
from ..simulation.data.columns import ColumnNames, parse_columns, read_here, refuse_unmet
from ..simulation.data.errors import InputError
from ..simulation.data.log_format import LOG_SCHEMA, read_log
from .analysis.drawing.formats import bracketed
from .analysis.off_policy.evaluation import (
    FEW,
    Answer,
    WeightedLog,
    against_logged,
    answers,
    interval_of,
    labels_of,
    overlap_warning,
    read_first,
)
from .analysis.off_policy.logged import NOT_NEEDED, Kind, Logged, logged_frame, logged_open_bandit
from .analysis.off_policy.policies import Policy, evidence, fixed_policy, own_policy, train
from .analysis.off_policy.reward_model import fit_rates
from .analysis.off_policy.slate_estimators import down
from .analysis.report.page import write_report
from .analysis.statistics.bootstrap import Interval, bootstrap, ratio
from .harness.files import load_table
from .harness.options import Flat, Idle, RunOptions
from .harness.run import Run
from .placing.groups_of_users import GroupsOfUsers

LOGGED = "as logged"
"""The policy that made the log."""
QUICK = 10_000
"""Impressions, drawn from the log, that a smoke-size run looks at."""
MODEL_BASED = "effect-model"
CAVEAT = (
    "An estimate from these logs: of visitors as they were then, and of choices that the logging policy made often "
    "enough. Only a test before visitors of today says what a policy earns now."
)


@dataclass(frozen=True)
class OfflineOptions:
    """Options of `copybandit offline`."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    logs: Path | None = None
    """Logged impressions (CSV or Parquet) with propensities."""
    open_bandit: Path | None = None
    """Instead: a folder of the Open Bandit Dataset as downloaded, such as random/men."""
    on_policy: Path | None = None
    """A second folder, of the same campaign: its policy is valued on the first log and compared with what it earned."""
    policy: str = "uniform,linucb,lints"
    """Names, separated by commas: a placement agent (trained on a part of the log, valued on the rest), uniform,
    only=CREATIVE, the path of a CSV with creative_id and probability, or the run directory of a loop or tune."""
    columns: ColumnNames = ""
    """Columns of --logs that have other names there: clicked=Clicks,text=Headline."""
    propensities: Kind = "given-above"
    """What --logs holds: the probability of a creative given the slots above it (what Copybandit logs), or that of a
    creative in its slot whatever stands above."""
    groups: str = ""
    """Columns of --logs that tell groups of users apart, separated by commas: user_region,channel. Clicks and
    conversions of each group are then told for the log and for every policy."""
    conversion_value: float = 0.0
    """Worth of a conversion in clicks."""
    training_share: float = 0.5
    """Part of the log that agents learn from, where there are any; all policies are valued on the rest."""
    draws: int = 64
    """Draws for the probabilities of agents that have no exact ones."""
    interval: Literal["skew-corrected", "bootstrap", "bernstein"] = "skew-corrected"
    """How 95% intervals are made; bernstein holds at every sample size and is wide. The others give way to the interval
    of a few weighted events (Fay and Feuer, 1997) where few clicks came."""

    def __post_init__(self) -> None:
        if not 0 < self.training_share < 1 or self.draws < 1 or self.conversion_value < 0:
            raise InputError("--training-share: between 0 and 1; --draws: 1 or more; --conversion-value: 0 or more")

    def idle(self) -> Idle:
        """Nothing is learned where no agent is named; Open Bandit logs tell their own propensities."""
        found = {}
        if not any(name in KINDS for name in self.names()):
            found |= dict.fromkeys(("training-share", "draws"), "where --policy names no agent")
        if self.open_bandit is not None:
            found["propensities"] = "with --open-bandit, whose propensities are known"
            found["columns"] = found["groups"] = "with --open-bandit, which is read as downloaded"
        return found

    def names(self) -> list[str]:
        """The policies asked for.

        Raises:
            InputError: none is.
        """
        names = _split_names(self.policy)
        if not names:
            raise InputError("--policy: name at least one")
        return names


def _split_names(names: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))


def run_offline(options: OfflineOptions) -> Path:
    """`copybandit offline`: leaves estimates with intervals for every policy and estimator, and a report."""
    run = Run("offline", options)
    rng = np.random.default_rng(options.run.seed)
    logged = _read(options)
    run.say(*(f"  {note}" for note in logged.notes))
    training, valued = _split(logged, options, rng)
    # Everything that is named is looked at before anything is computed: a misspelt name costs no wait.
    named = {name: _named(name, valued) for name in options.names()}
    policies = {_short(name): value for name, value in named.items() if not isinstance(value, Path)}
    texts = [_writers(value, valued.slots, options, rng) for value in named.values() if isinstance(value, Path)]
    worth = options.conversion_value
    on_policy = {LOGGED: interval_of(valued.reward(worth), 1 + worth)}
    if options.on_policy is not None:
        other, name = logged_open_bandit(options.on_policy), options.on_policy.resolve().parent.name
        policies[name], on_policy[name] = own_policy(other, valued), interval_of(other.reward())
    summary = _value_all(policies, training, valued, options, run, rng)
    for found in texts:
        summary["estimates"] |= found
    warned, earned = summary["warnings"], on_policy[LOGGED]
    verdicts = {name: warned.get(name) or against_logged(row, earned) for name, row in summary["estimates"].items()}
    summary |= {
        "command": "offline",
        "verdicts": verdicts,
        "on_policy": on_policy,
        "impressions": len(valued),
        "slots": valued.slots,
        "creatives": valued.creatives,
        "unit": valued.unit,
        "notes": _notes(options, valued, len(training) > 0),
        "caveat": CAVEAT,
    }
    run.finish(summary)
    _show(summary, run)
    write_report(run.path)
    return run.path


def _split(logged: Logged, options: OfflineOptions, rng: np.random.Generator) -> tuple[Logged, Logged]:
    """What agents learn from, nothing where there are none, and what all policies are valued on."""
    n = min(len(logged), QUICK) if options.run.quick else len(logged)
    split = any(name in KINDS for name in options.names())
    cut = int(options.training_share * n) if split else 0
    if n - cut < 2 or (split and cut < 1):
        raise InputError(f"{logged.source}: {n} impressions are too few; bring more, or another --training-share")
    order = rng.permutation(len(logged))[:n]
    return logged.rows(np.sort(order[:cut])), logged.rows(np.sort(order[cut:]))


def _value_all(
    policies: Mapping[str, Policy | None],
    training: Logged,
    valued: Logged,
    options: OfflineOptions,
    run: Run,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """`estimates`, `warnings` and `estimated_probabilities` of the summary; None stands for the agent of that name."""
    estimates, warnings, estimated = {}, {}, []
    groups = GroupsOfUsers(valued, LOGGED, rng)
    with run.stage("policies", total=len(policies)) as stage:
        reward = valued.reward(options.conversion_value)
        rates = fit_rates(valued.context, valued.creative, reward, valued.creatives, rng)
        for name, made in policies.items():
            policy = made or train(name, training, options.conversion_value, options.draws, options.run.seed)
            found, unseen = evidence(policy, valued, rates, options.conversion_value)
            told, warning = value_policy(found, unseen, rng, options.interval)
            groups.add(name, found)
            estimates[name] = {estimator: _entry(answer) for estimator, answer in told.items()}
            warnings |= {name: warning} if warning else {}
            estimated += [name] if policy.estimated else []
            run.record(0, {f"{name}/{estimator}": answer.interval["mean"] for estimator, answer in told.items()})
            stage.advance(1, name)
    told = {"estimates": estimates, "warnings": warnings, "estimated_probabilities": estimated}
    return told | ({"groups": groups.saved(run)} if valued.groups else {})


def _read(options: OfflineOptions) -> Logged:
    if options.on_policy is not None and options.open_bandit is None:
        raise InputError("--on-policy goes with --open-bandit; give both")
    if options.logs is not None and options.open_bandit is not None:
        raise InputError("--logs and --open-bandit: give one of them")
    if options.logs is not None:
        columns = read_here(parse_columns(options.columns), list(LOG_SCHEMA.columns), user_columns=True)
        frame = read_log(options.logs, without=NOT_NEEDED, columns=columns)
        refuse_unmet(columns, options.logs)
        return logged_frame(frame, str(options.logs), options.propensities, _split_names(options.groups))
    if options.open_bandit is None:
        raise InputError("give --logs, a table of logged impressions, or --open-bandit, a folder of that data set")
    if options.conversion_value:
        raise InputError("--conversion-value: the Open Bandit Dataset has no conversions; leave it out")
    return logged_open_bandit(options.open_bandit)


def _named(name: str, logged: Logged) -> Policy | Path | None:
    """The fixed policy of a name, the run directory it is the path of, or None for an agent."""
    if name in KINDS:
        return None
    if (policy := fixed_policy(name, logged)) is not None:
        return policy
    if Path(name).is_dir():
        return Path(name)
    raise InputError(
        f"--policy {name}: no such policy; give an agent ({', '.join(KINDS)}), uniform, only=CREATIVE, a CSV of "
        "probabilities, or the run directory of a loop or tune"
    )


def value_policy(
    found: WeightedLog, unseen: float, rng: np.random.Generator, method: str
) -> tuple[dict[str, Answer], str | None]:
    """Answers on one policy, and why they should not be leaned on.

    Estimators that rest on weights which are as good as zero in some slot have no answer.
    """
    slates = None if found.slots == 1 or found.chain is None else down(found.chain)
    weights = {name: w for name, w in (("", found.weight), ("slates: ", slates)) if w is not None}
    idle = {name for name, weight in weights.items() if (weight.mean(0) < 1e-6).any()}
    lines = [f"{name}{overlap_warning(weight)}" for name, weight in weights.items() if overlap_warning(weight)]
    if unseen > 1e-3:
        lines = [f"{unseen:.1%} of its choices are never in the log in that place: of those, nothing is known"]
    if idle:
        lines = ["never does what the log holds, which tells nothing of it; bring a log that explores"]
    possible = replace(
        found, weight=None if "" in idle else found.weight, chain=None if "slates: " in idle else found.chain
    )
    return answers(possible, rng, method), "; ".join(lines) or None


def _entry(answer: Answer) -> dict[str, Any]:
    entry: dict[str, Any] = {**answer.interval, "ess": answer.ess, "max_weight": answer.max_weight}
    if answer.parameter is not None:
        entry["parameter"] = answer.parameter if np.isfinite(answer.parameter) else None
    return entry


def _short(name: str) -> str:
    """What a policy is called: a file by its stem."""
    return Path(name).stem if name.endswith((".csv", ".parquet")) else name


def _writers(path: Path, slots: int, options: OfflineOptions, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """What the effect model of a run says of the texts of its writers, over products: nothing corrects it."""
    file = path / "creatives.parquet"
    if not file.is_file():
        raise InputError(f"{path}: no creatives.parquet in it; give the run directory of a finished loop or tune")
    texts = load_table(file, ["writer", "product_id", "proxy_ctr", "proxy_cvr"])
    worth = slots * texts.proxy_ctr * (1 + options.conversion_value * texts.proxy_cvr.fillna(0.0))
    found = {}
    for writer, part in texts.assign(worth=worth).groupby("writer", sort=False):
        sums = part.groupby("product_id").worth.agg(["sum", "size"]).to_numpy(np.float64)
        interval: Interval = bootstrap(sums, ratio, rng)
        found[f"{path.name}, {writer}"] = {MODEL_BASED: {**interval, "ess": None, "max_weight": None}}
    return found


def _notes(options: OfflineOptions, logged: Logged, split: bool) -> list[str]:
    most = logged.slots * (1 + options.conversion_value)
    notes = [
        f"Figures are {'clicks' if not options.conversion_value else 'worth in clicks'} {logged.unit}; intervals lie "
        f"between 0 and {most:g}, the most that it can earn."
    ]
    clicks = int(logged.clicked.sum())
    if clicks < FEW:
        notes.append(f"The log has {clicks} clicks: intervals say what may lie beyond so few (Fay and Feuer, 1997).")
    notes += logged.notes
    if split:
        notes.append(
            f"Agents learned from {options.training_share:.0%} of the log; every policy is valued on the rest."
        )
    if logged.in_slot is None:
        notes.append(
            "The log tells propensities given the slots above only: IIPS, DM and DR, which need those of a creative in "
            "its slot whatever stands above, are left out."
        )
    if logged.slots > 1 and logged.given_above is None:
        notes.append("The log tells propensities by slot only: RIPS and Cascade-DR are left out.")
    return notes


def _show(summary: dict[str, Any], run: Run) -> None:
    labels = labels_of(summary["slots"])
    run.say(summary["notes"][0], f"{'policy':<18} {'by':<26} {'value':>8}  95% interval             ESS")
    for policy, row in summary["estimates"].items():
        if (name := read_first(row)) is not None:
            size = "" if row[name]["ess"] is None else f"{row[name]['ess']:>8,.0f}"
            run.say(f"{policy:<18} {labels[name]:<26}  {bracketed(row[name], '.5f')} {size}")
    for policy, known in summary["on_policy"].items():
        run.say(f"{policy:<18} {'what it earned':<26}  {bracketed(known, '.5f')}")
    for policy, verdict in summary["verdicts"].items():
        run.say(f"{policy}: {verdict}")
    run.say(f"every estimator, and what to doubt: {run.path}/report.html")
