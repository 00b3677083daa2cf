"""Which settings are best? Optuna tries a command with settings of a search space; `--sweep FILE` on any command."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..simulation.data.errors import InputError
from ..simulation.data.strict_yaml import read_strict_yaml
from .analysis.report.page import write_report
from .harness import stopping
from .harness.config import decisive, flat, nearest, override, write_config
from .harness.files import read_json, read_yaml, write_json, write_yaml
from .harness.options import RunParts, settings_of, torch_device
from .harness.run import environment, watching

Command = Callable[[Any], Path]


class Range(BaseModel):
    """A number between two bounds; whole where both bounds are."""

    model_config = ConfigDict(extra="forbid")
    low: int | float
    high: int | float
    log: bool = False


class Plan(BaseModel):
    """A sweep file."""

    model_config = ConfigDict(extra="forbid")
    maximise: str | list[str]
    """Figures of summary.json, such as lift.reward.mean; two or more search for a Pareto front, unpruned."""
    trials: Annotated[int, Field(ge=1)] = 20
    search: Annotated[dict[str, Range | list[str | int | float | bool | None]], Field(min_length=1)]
    """By setting (ppo.updates): its range, or a list of choices."""
    prune: str | None = None
    """A figure of metrics.csv, such as watch/gold: a trial below the others' median at the same step is given up."""

    @property
    def figures(self) -> list[str]:
        """What is maximised."""
        return [self.maximise] if isinstance(self.maximise, str) else self.maximise


def read_plan(path: Path, options: RunParts) -> Plan:
    """Reads a sweep file and checks it against the options that it varies.

    Raises:
        InputError: no such file, not YAML, a key that is unknown, a range without room, a setting that does not exist.
    """
    if not path.is_file():
        raise InputError(f"--sweep {path}: no such file; give a YAML file with maximise, trials and search")
    try:
        plan = Plan.model_validate(read_strict_yaml(path) or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        hint = nearest(where, Plan.model_fields) if first["type"] == "extra_forbidden" else ""
        raise InputError(f"{path}: {where}: {first['msg']}{hint}; correct it") from None
    known = {name for setting in settings_of(type(options)) for name in (setting.short, ".".join(setting.path))}
    for key, space in plan.search.items():
        if key not in known:
            raise InputError(f"{path}: search: '{key}' is no setting of this command{nearest(key, known)}")
        if isinstance(space, Range) and (space.low >= space.high or (space.log and space.low <= 0)):
            raise InputError(f"{path}: search: {key}: give low below high, and above zero for log")
    if plan.prune and len(plan.figures) > 1:
        raise InputError(f"{path}: prune goes with one figure to maximise; leave one of them out")
    return plan


def run_sweep(options: RunParts, name: str, command: Command) -> Path:
    """Runs a command once a trial; the same `--out` again goes on where it stopped.

    The study is a journal file in the sweep's directory, each trial a run directory under `trials/`.

    Args:
        options: the command's, with `sweep`.
        name: of the command.
        command: runs it.

    Raises:
        InputError: the plan is no good, `out` is in use by something else, Optuna is absent, or every trial failed.
    """
    try:
        optuna: Any = import_module("optuna")
    except ImportError:
        raise InputError("--sweep: optuna is not installed; pip install 'copybandit[optuna]'") from None
    assert options.run.sweep is not None
    plan = read_plan(options.run.sweep, options)
    path = options.run.out or Path("runs") / time.strftime(f"sweep-{name.replace(' --', '-')}-%Y%m%d-%H%M%S")
    _prepare(path, plan, options, name)
    stopping.going_on(f"the same command with --out {path} goes on")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal = optuna.storages.journal.JournalFileBackend(str(path / "study.journal"))
    storage = optuna.storages.JournalStorage(journal)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=["maximize"] * len(plan.figures),
        load_if_exists=True,
        # A seed of its own for what is left: the sampler's state is not in the journal.
        sampler=optuna.samplers.TPESampler(seed=options.run.seed + _tried(storage)),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4) if plan.prune else optuna.pruners.NopPruner(),
    )
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # it was broken off
    objective = _Objective(plan, options, path, command, optuna)
    done = [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]
    print(f"  {len(done)} of {plan.trials} trials were there")
    study.optimize(objective, n_trials=max(0, plan.trials - len(done)), catch=(InputError,))
    _conclude(study, plan, options, path, optuna)
    return path


def sweeping(name: str, command: Command) -> Command:
    """The command that runs `command` once a trial."""
    return lambda options: run_sweep(options, name, command)


def _tried(storage: Any) -> int:
    studies = storage.get_all_studies()
    return len(storage.get_all_trials(studies[0]._study_id, deepcopy=False)) if studies else 0


def _prepare(path: Path, plan: Plan, options: RunParts, name: str) -> None:
    """Makes the directory, or makes sure that it is this very sweep's."""
    kept, config = path / "sweep.yaml", path / "config.yaml"
    asked = plan.model_dump(exclude={"trials"})
    if kept.is_file() and config.is_file():
        there = Plan.model_validate(read_yaml(kept)).model_dump(exclude={"trials"})
        before, now = flat(read_yaml(config)), flat(decisive(options))
        differ = [key for key in now if before.get(key) != now[key]]
        differ += [key for key in asked if asked[key] != there[key]]
        if differ:
            raise InputError(f"{path}: holds a sweep with another {', '.join(differ)}; choose another --out")
    elif path.exists() and any(path.iterdir()):
        raise InputError(f"{path}: is there already and not empty; choose another --out, or move it away")
    path.mkdir(parents=True, exist_ok=True)
    write_yaml(kept, plan.model_dump())
    write_config(config, options)
    write_json(
        path / "environment.json", environment(f"{name} --sweep", torch_device(getattr(options, "device", "cpu")))
    )


@dataclass
class _Objective:
    """One trial: suggest, run, read off."""

    plan: Plan
    options: RunParts
    path: Path
    command: Command
    optuna: Any

    def __call__(self, trial: Any) -> tuple[float, ...]:
        chosen = {key: _suggest(trial, key, space) for key, space in self.plan.search.items()}
        print(f"trial {trial.number}: " + ", ".join(f"{key} {value}" for key, value in chosen.items()))
        out = self.path / "trials" / f"{trial.number:03d}"
        if out.exists():
            shutil.rmtree(out)  # of a sweep whose journal is gone
        own = {"run": {"out": str(out), "sweep": None, "config": None}}
        options = override(override(self.options, chosen, f"trial {trial.number}"), own, f"trial {trial.number}")
        with watching(lambda step, values: self._look(trial, step, values)):
            summary = read_json(self.command(options) / "summary.json")
        figures = flat(summary)
        absent = [name for name in self.plan.figures if not isinstance(figures.get(name), (int, float))]
        if absent:
            hint = nearest(absent[0], figures)
            raise InputError(f"{self.options.run.sweep}: summary.json has no figure '{absent[0]}'{hint}")
        return tuple(figures[name] for name in self.plan.figures)

    def _look(self, trial: Any, step: int, values: Mapping[str, float]) -> None:
        if self.plan.prune is not None and self.plan.prune in values:
            trial.report(values[self.plan.prune], step)
            if trial.should_prune():
                raise self.optuna.TrialPruned


def _suggest(trial: Any, key: str, space: Range | list) -> Any:
    if isinstance(space, list):
        return trial.suggest_categorical(key, space)
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(key, space.low, space.high, log=space.log)
    return trial.suggest_float(key, space.low, space.high, log=space.log)


def _conclude(study: Any, plan: Plan, options: RunParts, path: Path, optuna: Any) -> None:
    """summary.json, best.yaml (good for --config) and the report."""
    trials = [
        {"number": t.number, "state": t.state.name.lower(), "values": t.values or [], "settings": t.params}
        for t in study.trials
    ]
    complete = [trial for trial in trials if trial["state"] == "complete"]
    if not complete:
        raise InputError(f"{path}: no trial of {len(trials)} came to an end; see what each one said above")
    best = max(complete, key=lambda trial: trial["values"][0])
    write_config(path / "best.yaml", override(options, best["settings"], "best trial"))
    importance = {}
    if len(plan.search) > 1 and len(complete) > 2:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        target = None if len(plan.figures) == 1 else lambda trial: trial.values[0]
        importance = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
    sweep = {"figures": plan.figures, "best": best, "importance": dict(importance), "trials": trials}
    write_json(path / "summary.json", {"command": "sweep", "sweep": sweep})
    write_report(path)
