"""No option is ignored: each is read by a command that has it, changes what is recorded, or is refused in one line.

Options are taken from the dataclasses, so that a new one is covered by itself: it fails here until something reads it.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.experiments.analysis.benchmarks import bandit as bandit_part
from copybandit.experiments.analysis.benchmarks import cost as cost_part
from copybandit.experiments.analysis.benchmarks import serve as serve_part
from copybandit.experiments.cli import COMMANDS, _module, _options, main
from copybandit.experiments.export import ExportOptions
from copybandit.experiments.harness.config import configured, override, read_options
from copybandit.experiments.harness.options import Flat, RunOptions, Setting, idle_settings, settings_of
from copybandit.experiments.harness.recipes import FOLDER, RECIPES, recipe
from copybandit.experiments.report import ReportOptions
from copybandit.simulation.logs import log_frame, uniform_slates
from copybandit.simulation.scenario import load_scenario
from copybandit.simulation.world import make_world

TINY = Path(__file__).parent.parent / "data" / "tiny.yaml"
APART = ("report", "runs", "export", "reader", "score", "check", "abtest", "serve", "doctor", "completion", "distil")
RUNS = [title for title in COMMANDS if title not in APART]
"""Commands that are a run and need none before them; `reader` needs a language model: test_reader. The others:
test_score, test_abtest, test_serve, test_distil, below."""
BY_THE_COMMAND_LINE = {"config", "sweep", "quick", "archive"}
"""Read before a command begins: files of options, a search, recipes; test_config, test_sweep and below say what they
do."""
WITH_A_MODEL = {"teacher-products", "warm-start.patience", "encoder"}
"""Need a pretrained model: test_base_taught, test_warm_start, test_loop."""
if find_spec("opacus") is None:
    WITH_A_MODEL |= {"private.epsilon", "private.delta", "private.clip"}  # an extra: test_private
WRITER = {
    "model": "built-in",
    "writer.width": 32,
    "writer.heads": 2,
    "writer.vocabulary": 400,
    "writer.max_new_tokens": 8,
}
STUDY = WRITER | {"scenario": str(TINY), "users": 40, "log_impressions": 4000, "effect.steps": 20, "samples": 2}
STUDY |= {"warm_start.lines": 160, "device": "cpu", "reward.claims": "off"}
STUDY |= {"images": "drawn", "drawn_images": 2, "image_encoder": "plain"}
ONLINE = {"updates": 2, "batch": 16, "mini_batches": 2, "learning_rate": 0.003}
PPO: dict[str, Any] = {f"ppo.{name}": value for name, value in ONLINE.items()} | {"ppo.kl_target": 1e-4}
RLOO: dict[str, Any] = {f"rloo.{name}": value for name, value in ONLINE.items()}
GRPO: dict[str, Any] = {f"grpo.{name}": value for name, value in ONLINE.items()}
BROUGHT = {"catalog": str(TINY.parent / "tiny/catalog.csv"), "ads": str(TINY.parent / "tiny/ads.csv"), "segments": 2}
RAFT = {"algorithm": "raft", "raft.texts": 4, "raft.passes": 1, "raft.batch": 4, "choose": 2}
RAFT |= {"validation_impressions": 2000}
BY_RAFT = STUDY | RAFT
BY_PPO = STUDY | BROUGHT | RAFT | PPO | {"algorithm": "ppo", "adapter.kind": "lora", "choose": 2}
WAYS = {"writers": "raft+best-of-2,ppo,rloo,grpo", "calls": 64, "seeds": 1, "raft.passes": 1}
PRIVATE = {"private.epsilon": 8.0, "private.delta": 1e-4, "private.clip": 3.0} if find_spec("opacus") else {}
BY_OTHERS = [STUDY | RAFT | RLOO | PRIVATE | {"algorithm": "rloo"}, STUDY | RAFT | GRPO | {"algorithm": "grpo"}]
PLACED = {"place_impressions": 1024, "place_products": 4}
EXPECTED = PLACED | {"expected_trials": 20.0, "cold_start": 1, "delay": "waited", "min_exposure": 0.1}
COMPARED = {"scenario": str(TINY), "agents": "linucb", "seeds": 2, "users": 40, "creatives": 4, "impressions": 400}
COMPARED |= {"batch": 100, "device": "cpu"}
CASE = {"scenario": str(TINY), "seeds": 2, "users": 40, "rounds": 20, "log_impressions": 2000, "attacked_ads": 4}
SMALL: dict[str, list[dict[str, Any]]] = {
    "loop": [
        BY_RAFT | EXPECTED,
        *[small | PLACED for small in (BY_PPO, *BY_OTHERS)],
        BY_RAFT | PLACED | {"rounds": 2, "round_hours": 50.0},
    ],
    "tune": [BY_RAFT, BY_PPO, *BY_OTHERS],
    "pareto": [
        STUDY | BROUGHT | way | {"weights": "0,0.5", "between": 1, "algorithm": name}
        for name, way in (("ppo", PPO), ("rloo", RLOO), ("grpo", GRPO))
    ],
    "compare --writers": [
        STUDY | BROUGHT | PPO | {**RLOO, **GRPO, **WAYS},
    ],
    "compare": [
        COMPARED,
        COMPARED | {"jobs": 2, "delay": "waited", "min_exposure": 0.1},
        COMPARED | {"tests": "archive.csv", "test_traffic": 200},
    ],
    "pretrain": [
        {"products": 6, "lines_each": 8, "size.layers": 1, "size.width": 32, "size.heads": 2, "size.vocabulary": 400}
        | {"pretrain.lines": 96, "pretrain.evaluate_every": 2, "device": "cpu"}
    ],
    "headlines": [{"archive": "archive.csv", "splits": 2, "traffic": (200,), "repetitions": 1, "encoder": "none"}],
    "offline": [{"logs": "log.parquet", "policy": "uniform,epsilon-greedy", "draws": 8}],
    "case-study": [CASE],
    "calibrate": [{"logs": "log.parquet", "scenario": str(TINY)}, {"archive": "archive.csv", "users": 60}],
    "benchmark": [{"part": part, "quick": True, "repeats": 1, "threads": 1} for part in ("bandit", "cost", "world")]
    + [{"part": "trust", "quick": True, "threads": 1}]
    + [{"part": "recovery", "quick": True, "worlds": 1, "threads": 1}]
    + [{"part": "serve", "quick": True, "writers": "base", "threads": 1}]
    + [{"part": "logs", "rows": 3000, "threads": 1}]
    + [{"part": "load", "quick": True, "only": "day", "hours": 0.5, "per_second": 4, "threads": 1}]
    + [{"part": "commands", "only": "--help", "threads": 1}]
    + [{"part": "gpu", "threads": 1, "device": "cpu", "minutes": 0.1}],
}
"""By command: settings of small runs that together use all of its options."""


@pytest.fixture
def inputs(monkeypatch) -> None:
    """What the small runs bring, in the current folder; and a benchmark that ends soon."""
    scenario, catalog = load_scenario(TINY)
    world = make_world(scenario, catalog, seed=0, users=40)
    candidates = world.publish(catalog.ads)
    visits, generator = world.visitors(3000), torch.Generator().manual_seed(0)
    slates = uniform_slates(3000, candidates, 2, generator)
    frame = log_frame(world, world.respond(visits, slates), (1 / (12 - torch.arange(2))).expand(3000, 2))
    frame.to_parquet("log.parquet")
    rng, words = np.random.default_rng(0), [f"word{i}" for i in range(60)]
    rows = [
        (f"t{test}", " ".join([*rng.choice(words, 6, replace=False), f"x{test}x{arm}"]), 4000, rng.binomial(4000, 0.04))
        for test in range(60)
        for arm in range(3)
    ]
    pd.DataFrame(rows, columns=["test_id", "text", "impressions", "clicks"]).to_csv("archive.csv", index=False)
    monkeypatch.setattr(bandit_part, "ROUNDS", 2048 * 10)
    monkeypatch.setattr(bandit_part, "ROUNDS_SINGLE", 100)
    monkeypatch.setattr(cost_part, "SIZES", {"arms": [4, 8], "slots": [1, 2]})
    monkeypatch.setattr(cost_part, "BASE", {"arms": 4, "features": 4, "batch": 16, "slots": 1})
    monkeypatch.setattr(serve_part, "FORMS", {"transformers": serve_part.FORMS["transformers"]})
    monkeypatch.setattr("copybandit.experiments.analysis.benchmarks.world.SIZES", (1, 64))
    monkeypatch.setattr("copybandit.experiments.analysis.benchmarks.load.day.USERS", 100)
    monkeypatch.setattr("copybandit.experiments.analysis.benchmarks.recovery.IMPRESSIONS", 60_000)
    monkeypatch.setattr("copybandit.experiments.analysis.benchmarks.gpu.checks.loop_runs", lambda *given: {})


def recorded(options: type, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the settings that are read from now on, by whatever acts on them.

    What only checks, copies or writes options is no reader.
    """
    named = {(setting.part, setting.path[-1]): setting.name for setting in settings_of(options)}
    seen: set[str] = set()

    def read(self: object, name: str) -> Any:
        setting = named.get((type(self), name))
        if setting is not None and setting not in seen and _acts(sys._getframe(1)):
            seen.add(setting)
        return object.__getattribute__(self, name)

    for part in {setting.part for setting in settings_of(options)}:
        monkeypatch.setattr(part, "__getattribute__", read)
    return seen


def _acts(frame: Any) -> bool:
    while frame is not None:
        if frame.f_code.co_name in ("__post_init__", "idle", "idle_settings", "plain", "override"):
            return False
        if frame.f_globals.get("__name__") == "dataclasses":
            return False
        frame = frame.f_back
    return True


def unread(options: type, seen: set[str]) -> set[str]:
    return {setting.name for setting in settings_of(options)} - seen


@pytest.mark.slow
@pytest.mark.parametrize("title", RUNS)
def test_every_option_is_read_by_its_command(title, inputs, monkeypatch):
    options = _options(title)
    given = [configured(options(), out=f"run{i}", **small) for i, small in enumerate(SMALL[title])]
    seen = recorded(options, monkeypatch)
    for small in given:
        getattr(_module(title), COMMANDS[title].run)(small)
    assert unread(options, seen) - BY_THE_COMMAND_LINE - WITH_A_MODEL == set()


@dataclass(frozen=True)
class Part:
    """A part of which one setting does nothing."""

    used: int = 1
    planted: int = 2

    def __post_init__(self) -> None:
        assert self.planted > 0


@dataclass(frozen=True)
class Planted:
    """A command that ignores an option."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    part: Flat[Part] = field(default_factory=Part)


def test_an_option_that_nothing_reads_is_found(monkeypatch):
    options = Planted()
    seen = recorded(Planted, monkeypatch)
    copied = configured(options, used=3)
    assert copied.part.used + copied.run.seed == 3
    assert {"used", "seed"} == seen
    assert unread(Planted, seen) >= {"planted"}


def another(setting: Setting, value: Any) -> Any:
    """Some value that is not this one."""
    if get_origin(setting.kind) is Literal:
        return next(choice for choice in get_args(setting.kind) if choice != value)
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value / 2


OTHERWISE: dict[str, Any] = {
    "effect.steps": 5,
    "agents": "ucb1",
    "creatives": 3,
    "writer.heads": 4,
    "writer.width": 64,
    "writer.vocabulary": 300,
    "warm_start.max_length": 8,
    "warm_start.learning_rate": 0.01,
    "warm_start.batch": 8,
    "warm_start.lines": 320,
    "log_impressions": 6000,
    "validation_impressions": 3000,
    "segments": 3,
    "products": 3,
    "window": 50,
    "daily_cap": 1,
    "most_alike": 0.05,
    "keep_diversity": 1.2,
    "raft.kept": 1,
    "raft.learning_rate": 0.05,
    "looks": 2,
    "scale_prompts": 2,
    "watched_prompts": 2,
    "efficiency_prompts": 2,
    "attacked_ads": 2,
    "conversion_value of offline": 5.0,
    "raft.batch": 8,
    "ppo.batch": 32,
    "ppo.group": 2,
    "ppo.mini_batches": 4,
    "ppo.clip": 1e-6,
    "ppo.kl_target": 20.0,
    "reward.diversity_clip": 3.0,
    "impressions": 500,
    "batch": 200,
    "policy": "uniform,ucb1",
    "groups": "user_segment",
    "min_exposure": 0.24,
    "interval": "bootstrap",
    "log_impressions of case-study": 4000,
    "rounds": 30,
}
"""Values that must change something, where one beside the first might not."""
NO_FIGURE = {
    "device",  # the machine's
    "out",
    "track",
    "resume",  # test_resume
    "scenario",
    "model",  # test_any_language
    "catalog",  # test_loop and test_study have these four
    "ads",
    "columns",  # test_tables
    "logs",
    "archive",
    "private.epsilon",  # its noise is another every time: test_private
    "image_encoder",  # test_picture_encoder; the other one is an extra
    "image_cache",  # test_kept_vectors; it needs the extra
    "writer.request",  # a model with a chat template: test_chat
    "segments_by",  # test_study; two methods may agree on a world this small
    "writer.max_characters",  # test_limit; the tiny world's ads are all longer than its writer's texts
    "ppo.kl_cap",  # test_ppo; two updates of a tiny writer do not get that far
    "efficiency_prompts",  # test_efficiency; so little tuning moves too few nats to have an efficiency
    "patience",  # test_resume; it ends longer runs
    "platform",  # test_refusals
    "rules",
    "reward.fluency",  # test_fluency; so few ads do not say what reads well
    "ppo.gradient_checkpointing",  # memory for time: figures stay
    "adapter.kind",  # adalora starts at another rank in runs longer than two updates
    "algorithm",  # an adapter goes with PPO only; both are run here
    "results",  # test_compare
    "open_bandit",
    "on_policy",
    "jobs",  # the same figures by any number of workers: test_compare
    "engine",
    "test",
    "tests",  # test_real_tests
    "budget",  # the tiny world costs nothing: test_traffic
    "click_model",  # its slots are read independently: test_traffic
    "brand_cap",  # its four products differ in theirs: test_slates
} | BY_THE_COMMAND_LINE
"""Options that change no figure, or need more than a small run."""
FIGURES = [("tune", 0), ("tune", 1), ("compare", 0), ("case-study", 0), ("offline", 0)]


def figures_of(run: Path) -> dict[str, Any]:
    """What a run recorded, but for its clock and the words that repeat its options."""
    summary = json.loads((run / "summary.json").read_text())
    for part in ("wall_seconds", "data", "device"):
        summary.pop(part, None)
    for row in summary.get("agents", {}).values():
        row.pop("microseconds", None)
    tables = {path.name: path.read_text() for path in sorted(run.glob("*.csv"))}
    return {"summary": summary, "tables": tables}


_kept: dict[tuple[str, int], dict[str, Any]] = {}


def base(title: str, number: int) -> dict[str, Any]:
    """Figures of a small run as it is."""
    if (title, number) not in _kept:
        _kept[title, number] = figures_of(run_small(title, SMALL[title][number], "base"))
    return _kept[title, number]


def run_small(title: str, small: Mapping[str, Any], out: str) -> Path:
    run: Callable[[Any], Path] = getattr(_module(title), COMMANDS[title].run)
    return run(configured(_options(title)(), **{**small, "out": out}))


def in_force(title: str, number: int) -> list[Setting]:
    options = configured(_options(title)(), **SMALL[title][number])
    idle = idle_settings(options)
    return [s for s in settings_of(type(options)) if s.name not in idle and s.short not in NO_FIGURE]


CASES = [(title, number, setting.short) for title, number in FIGURES for setting in in_force(title, number)]
ONLY_BY_PPO = [case for case in CASES if case[:2] == ("tune", 1) and case[2].split(".")[0] in ("ppo", "adapter")]
EFFECTS = [case for case in CASES if case[:2] != ("tune", 1)] + ONLY_BY_PPO


@pytest.mark.slow
@pytest.mark.parametrize(("title", "number", "name"), EFFECTS)
def test_another_value_changes_a_figure(title, number, name, inputs, monkeypatch):
    monkeypatch.setattr(_module(title), "write_report", lambda path: path)  # made from the figures, it adds none
    options = configured(_options(title)(), **SMALL[title][number])
    setting = next(setting for setting in settings_of(type(options)) if setting.short == name)
    value: Any = options
    for step in setting.path:
        value = getattr(value, step)
    known = [OTHERWISE[key] for key in (f"{name} of {title}", name) if key in OTHERWISE]
    other = known[0] if known else another(setting, value)
    assert other != value
    changed = run_small(title, SMALL[title][number] | {name: other}, "changed")
    assert figures_of(changed) != base(title, number)


IDLE = [
    (title, name)
    for title in RUNS
    for name in idle_settings(
        _options(title)() if title != "compare --writers" else configured(_options(title)(), writers="ppo")
    )
]


@pytest.mark.parametrize(("title", "name"), IDLE)
def test_an_option_that_does_nothing_is_refused_in_one_line(title, name, capsys):
    setting = next(setting for setting in settings_of(_options(title)) if setting.name == name)
    given = [f"--{name}"] if setting.kind is bool else [f"--{name}", _written(setting)]
    command = [*title.split(), "ppo"] if title == "compare --writers" else [title]
    with pytest.raises(SystemExit) as stopped:
        main([*command, *given])
    said = capsys.readouterr().err.strip()
    assert stopped.value.code == 2
    assert f"--{name} does nothing" in said and len(said.splitlines()) == 1


def _written(setting: Setting) -> str:
    default = next(f.default for f in fields(setting.part) if f.name == setting.path[-1])
    if default is not None:
        return str(default)
    kinds = set(get_args(setting.kind))
    return "some" if {str, Path} & kinds else "0.5" if float in kinds else "1"


def test_every_rule_is_of_an_option():
    """A misspelt name in a rule would refuse nothing."""
    names = {setting.name for title in RUNS for setting in settings_of(_options(title))}
    prefixes = names | {name.partition(".")[0] for name in names}
    asked = [configured(_options(title)(), **small) for title in RUNS for small in SMALL[title] if title != "headlines"]
    asked += [
        configured(_options("tune")(), **given)
        for given in (
            {"algorithm": "rloo"},
            {"algorithm": "best-of-n"},
            {"algorithm": "supervised", "choose": 1},
            {"model": "x"},
            {"archive": "a.csv"},
            {"logs": "l.csv"},
            {"resume": "r"},
            {"scenario": "support", "segments": 3},
            {"private.epsilon": 4.0},
        )
    ]
    rules = {
        name
        for options in asked
        for part in [options, *(getattr(options, f.name) for f in fields(options))]
        if hasattr(part, "idle")
        for name in part.idle()
    }
    assert rules and rules <= prefixes


@pytest.mark.parametrize(("title", "options"), [("report", ReportOptions), ("export", ExportOptions)])
def test_commands_without_a_run_have_few_options(title, options):
    assert {setting.name for setting in settings_of(options)} <= {"runs", "out", "run", "to", "format", "check"}


@pytest.mark.parametrize("title", COMMANDS)
def test_help_fits_a_screen(title, capsys):
    command = [*title.split(), "ppo"] if title == "compare --writers" else [title]
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("  ") for line in lines) <= 25
    assert all(len(line) <= 120 for line in lines)


def test_recipes_are_announced_and_overridden(tmp_path, capsys):
    main(["compare", "--quick", "--scenario", str(TINY), "--creatives", "4", "--agents", "ucb1", "--seeds", "3"])
    said = capsys.readouterr().out
    assert "--quick sets impressions 10240 (recipes/quick.yaml)" in said
    (run,) = Path("runs").iterdir()
    assert json.loads((run / "summary.json").read_text())["seeds"] == 3


@pytest.mark.parametrize("name", RECIPES)
def test_every_entry_of_a_recipe_is_taken_by_its_command(name):
    for entry in read_options(FOLDER / f"{name}.yaml"):
        title = entry if entry in COMMANDS else entry.rpartition(" --")[0]
        assert override(_options(title)(), recipe(name, entry), name) != _options(title)()


def test_a_model_that_is_brought_has_an_entry_of_its_own():
    usual, brought = recipe("archive", "loop"), recipe("archive", "loop", {"model": "some.gguf", "seed": "1"})
    assert usual["warm_start"]["lines"] > 10 * brought["warm_start"]["lines"]
    assert recipe("archive", "loop", {"model": "built-in", "seed": "1"}) == usual
    assert recipe("quick", "loop", {"model": "some.gguf"}) == recipe("quick", "loop")
