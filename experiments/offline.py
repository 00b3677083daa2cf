"""What would this policy have earned on these logs? Off-policy evaluation, several policies at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..agents.registry import KINDS
from ..simulation.data.columns import ColumnNames, parse_columns, read_here, refuse_unmet
from ..simulation.data.errors import InputError
from ..simulation.data.log_folder import read_log_folder
from ..simulation.data.log_format import LOG_SCHEMA, read_log
from .analysis.drawing.formats import bracketed
from .analysis.off_policy.evaluation import FEW, Answer, against_logged, answers, interval_of, labels_of, read_first
from .analysis.off_policy.evidence import Evidence, Known
from .analysis.off_policy.log_builder import NOT_NEEDED, build, logged_frame
from .analysis.off_policy.logged import Log, logged_open_bandit
from .analysis.off_policy.policies import Policy, fixed_policy, own_policy, train
from .analysis.off_policy.propensities import Kind
from .analysis.off_policy.weights import overlap_warning, weigh
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
    """Logged impressions (CSV or Parquet) with propensities, or a folder of Parquet files, which may outgrow memory."""
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
    with run.stage("log", checks=True):
        logged = _read(options)
    run.say(*(f"  {note}" for note in logged.notes))
    training, valued = _split(logged, options, rng)
    # Everything that is named is looked at before anything is computed: a misspelt name costs no wait.
    named = {name: _named(name, valued) for name in options.names()}
    policies = {_short(name): value for name, value in named.items() if not isinstance(value, Path)}
    texts = [_writers(value, valued.slots, options, rng) for value in named.values() if isinstance(value, Path)]
    on_policy: dict[str, Interval] = {}
    if options.on_policy is not None:
        other, name = logged_open_bandit(options.on_policy), options.on_policy.resolve().parent.name
        policies[name] = own_policy(other, valued)
        on_policy[name] = interval_of(block.reward() for block in other)
    known, summary = _value_all(policies, training, valued, options, run, rng)
    for found in texts:
        summary["estimates"] |= found
    warned = summary["warnings"]
    verdicts = {
        name: warned.get(name) or against_logged(row, known.earned) for name, row in summary["estimates"].items()
    }
    summary |= {
        "command": "offline",
        "verdicts": verdicts,
        "on_policy": {LOGGED: known.earned, **on_policy},
        "impressions": len(valued),
        "slots": valued.slots,
        "creatives": valued.creatives,
        "unit": valued.unit,
        "notes": _notes(options, known, len(training) > 0),
        "caveat": CAVEAT,
    }
    run.finish(summary)
    _show(summary, run)
    write_report(run.path)
    return run.path


def _split(logged: Log, options: OfflineOptions, rng: np.random.Generator) -> tuple[Log, Log]:
    """What agents learn from, nothing where there are none, and what all policies are valued on."""
    n = min(len(logged), QUICK) if options.run.quick else len(logged)
    split = any(name in KINDS for name in options.names())
    cut = int(options.training_share * n) if split else 0
    if n - cut < 2 or (split and cut < 1):
        raise InputError(f"{logged.source}: {n} impressions are too few; bring more, or another --training-share")
    return logged.split(n, options.training_share if split else 0.0, rng)


def _value_all(
    policies: Mapping[str, Policy | None],
    training: Log,
    valued: Log,
    options: OfflineOptions,
    run: Run,
    rng: np.random.Generator,
) -> tuple[Known, dict[str, Any]]:
    """What is known of the log, and `estimates`, `warnings` and `estimated_probabilities` of the summary; None stands
    for the agent of that name.
    """
    estimates, warnings, estimated = {}, {}, []
    groups = GroupsOfUsers(valued, LOGGED, rng)
    with run.stage("policies", total=len(policies)) as stage:
        known = Known.of(valued, options.conversion_value, rng)
        for name, made in policies.items():
            policy = made or train(name, training, options.conversion_value, options.draws, options.run.seed)
            found = Evidence(policy, known)
            told, warning = value_policy(found, rng, options.interval)
            groups.add(name, found)
            estimates[name] = {estimator: _entry(answer) for estimator, answer in told.items()}
            warnings |= {name: warning} if warning else {}
            estimated += [name] if policy.estimated else []
            run.record(0, {f"{name}/{estimator}": answer.interval["mean"] for estimator, answer in told.items()})
            stage.advance(1, name)
    told = {"estimates": estimates, "warnings": warnings, "estimated_probabilities": estimated}
    return known, told | groups.saved(run)


def _read(options: OfflineOptions) -> Log:
    if options.on_policy is not None and options.open_bandit is None:
        raise InputError("--on-policy goes with --open-bandit; give both")
    if options.logs is not None and options.open_bandit is not None:
        raise InputError("--logs and --open-bandit: give one of them")
    if options.logs is not None:
        columns = read_here(parse_columns(options.columns), list(LOG_SCHEMA.columns), user_columns=True)
        agents, groups = any(name in KINDS for name in options.names()), _split_names(options.groups)
        if options.logs.is_dir():
            frames = read_log_folder(options.logs, without=NOT_NEEDED, skip=NOT_NEEDED, columns=columns)
            log = build(frames, str(options.logs), options.propensities, agents, groups, on_disk=True)
            refuse_unmet(columns, options.logs)
            return log
        frame = read_log(options.logs, without=NOT_NEEDED, columns=columns)
        refuse_unmet(columns, options.logs)
        return logged_frame(frame, str(options.logs), options.propensities, agents, groups)
    if options.open_bandit is None:
        raise InputError("give --logs, a table of logged impressions, or --open-bandit, a folder of that data set")
    if options.conversion_value:
        raise InputError("--conversion-value: the Open Bandit Dataset has no conversions; leave it out")
    return logged_open_bandit(options.open_bandit)


def _named(name: str, logged: Log) -> Policy | Path | None:
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


def value_policy(found: Evidence, rng: np.random.Generator, method: str) -> tuple[dict[str, Answer], str | None]:
    """Answers on one policy, and why they should not be leaned on.

    Estimators that rest on weights which are as good as zero in some slot have no answer.
    """
    weights = weigh(found)
    told = {name: overlap_warning(sums.weight) for name, sums in weights.by_kind.items()}
    lines = [f"{name}{warning}" for name, warning in told.items() if warning]
    if found.unseen > 1e-3:
        lines = [f"{found.unseen:.1%} of its choices are never in the log in that place: of those, nothing is known"]
    if any(sums.idle for sums in weights.by_kind.values()):
        lines = [
            "in some slot it never does what the log did in the same place, which tells nothing of it; bring a log "
            "that explores more, or has fewer slots or creatives"
        ]
    return answers(found, rng, method, weights), "; ".join(lines) or None


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


def _notes(options: OfflineOptions, known: Known, split: bool) -> list[str]:
    logged, clicks = known.log, known.clicks
    most = logged.slots * (1 + options.conversion_value)
    notes = [
        f"Figures are {'clicks' if not options.conversion_value else 'worth in clicks'} {logged.unit}; intervals lie "
        f"between 0 and {most:g}, the most that it can earn."
    ]
    if clicks < FEW:
        notes.append(f"The log has {clicks} clicks: intervals say what may lie beyond so few (Fay and Feuer, 1997).")
    notes += logged.notes
    if split:
        notes.append(
            f"Agents learned from {options.training_share:.0%} of the log; every policy is valued on the rest."
        )
    if not logged.tells_in_slot:
        notes.append(
            "The log tells propensities given the slots above only: IIPS, DM and DR, which need those of a creative in "
            "its slot whatever stands above, are left out."
        )
    if logged.slots > 1 and not logged.tells_given_above:
        notes.append("The log tells propensities by slot only: RIPS and Cascade-DR are left out.")
    return notes


def _show(summary: dict[str, Any], run: Run) -> None:
    labels = labels_of(summary["slots"])
    run.say(summary["notes"][0], f"{'policy':<18} {'by':<26} {'value':>8}  95% interval             ESS")
    for policy, row in summary["estimates"].items():
        if (name := read_first(row)) is not None:
            if name == MODEL_BASED:
                figure = f"{row[name]['mean']:.5f} (none: nothing in this log corrects it)"
            else:
                figure = f"{bracketed(row[name], '.5f')} {row[name]['ess']:>8,.0f}"
            run.say(f"{policy:<18} {labels[name]:<26}  {figure}")
    for policy, known in summary["on_policy"].items():
        run.say(f"{policy:<18} {'what it earned':<26}  {bracketed(known, '.5f')}")
    for policy, verdict in summary["verdicts"].items():
        run.say(f"{policy}: {verdict}")
    run.say(f"every estimator, and what to doubt: {run.path}/report.html")
