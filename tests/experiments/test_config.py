"""Options as parts: on the command line under short names, in YAML nested, nothing lost between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from copybandit.experiments.harness.command_line import parsed, refuse_unknown
from copybandit.experiments.harness.config import configured, different, plain, read_config, value_of, write_config
from copybandit.experiments.harness.help import help_text
from copybandit.experiments.harness.options import Common, Flat, RunOptions, idle_settings, settings_of
from copybandit.experiments.writing.options import TuneOptions
from copybandit.simulation.data.errors import InputError


@dataclass(frozen=True)
class Inner:
    """The inner part."""

    size: int = 3
    rate: float = 0.5
    """A share."""


@dataclass(frozen=True)
class People:
    """The people."""

    users: Common[int] = 1000
    """How many; they are
    simulated."""
    kind: str = "none"
    rank: int = 8

    def idle(self) -> Mapping[str, str]:
        return {"rank": "without --kind"} if self.kind == "none" else {}


@dataclass(frozen=True)
class Some:
    """Options of a command."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    people: Flat[People] = field(default_factory=People)
    inner: Inner = field(default_factory=Inner)

    def idle(self) -> Mapping[str, str]:
        return {"inner": "without people"} if self.people.users == 1 else {}


def parse(*arguments: str) -> Some:
    return parsed(Some, arguments, "some")


def test_settings_have_short_names_and_full_paths():
    found = {setting.name: (setting.path, setting.told, setting.common) for setting in settings_of(Some)}
    assert found["users"] == (("people", "users"), "How many; they are simulated.", True)
    assert found["inner.rate"] == (("inner", "rate"), "A share.", False)
    assert found["seed"][0] == ("run", "seed")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", "x"], "Error parsing --seed: invalid literal for int() with base 10: 'x'; see `copybandit some"),
        (["--seed"], "Missing value for argument '--seed'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_one_line(arguments, said):
    with pytest.raises(InputError) as told:
        parse(*arguments)
    assert str(told.value).startswith(said)
    assert "\n" not in str(told.value)


def test_what_is_written_is_read_back(tmp_path):
    options = Some(RunOptions(seed=4, out=Path("somewhere")), People(kind="a"), Inner(size=7))
    write_config(tmp_path / "config.yaml", options)
    there = read_config(tmp_path / "config.yaml", Some())
    assert there == replace(options, run=RunOptions(seed=4)), "the next run's results go elsewhere"


def test_what_the_file_leaves_out_stays(tmp_path):
    (tmp_path / "c.yaml").write_text("inner: {size: 9}\n")
    assert read_config(tmp_path / "c.yaml", Some(RunOptions(seed=2))) == Some(RunOptions(seed=2), inner=Inner(size=9))


def test_yaml_takes_full_paths_and_the_names_of_the_command_line(tmp_path):
    wanted = Some(RunOptions(seed=1), People(users=5), Inner(2))
    for number, text in enumerate(
        (
            "run: {seed: 1}\npeople: {users: 5}\ninner: {size: 2}",
            "seed: 1\nusers: 5\ninner.size: 2",
            "run.seed: 1\npeople.users: 5\ninner: {size: 2}",
        )
    ):
        (tmp_path / f"{number}.yaml").write_text(text)
        assert read_config(tmp_path / f"{number}.yaml", Some()) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sead: 1", "unknown option 'sead', perhaps seed"),
        ("inner: {siez: 1}", "unknown option 'inner.siez'"),
        ("inner: 3", "unknown option 'inner'"),
        ("seed: many", "seed"),
        ("- 1", "not a mapping"),
        ("a: [", "not readable as YAML"),
    ],
)
def test_bad_files_are_named_with_the_reason(tmp_path, text, says):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        read_config(path, Some())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file():
    with pytest.raises(InputError, match="no such file"):
        read_config(Path("nowhere.yaml"), Some())


def test_configured_reaches_into_parts():
    assert configured(Some(), seed=1, **{"inner.rate": 0.1}) == Some(RunOptions(seed=1), inner=Inner(rate=0.1))


def test_the_command_line_overrides_the_file(tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 3\nusers: 7\n")
    found = parse("--config", str(tmp_path / "c.yaml"), "--users", "8")
    assert (found.run.seed, found.people.users) == (3, 8)


def test_what_does_nothing_is_refused_on_the_command_line_and_named_in_a_file(tmp_path, capsys):
    with pytest.raises(InputError, match=r"^--rank does nothing without --kind; leave it out$"):
        parse("--rank", "3")
    with pytest.raises(InputError, match=r"--inner\.size does nothing without people"):
        parse("--users", "1", "--inner.size=2")
    assert parse("--rank", "3", "--kind", "a").people.rank == 3
    (tmp_path / "c.yaml").write_text("rank: 3\n")
    parse("--config", str(tmp_path / "c.yaml"))
    assert "c.yaml: rank does nothing without --kind" in capsys.readouterr().out


def test_only_what_is_in_force_is_written_and_compared():
    assert "rank" not in plain(Some())["people"]
    assert different(Some(), Some(people=People(rank=3))) == []
    assert different(Some(), Some(RunOptions(seed=1, out=Path("a")))) == ["seed"]
    assert different(Some(), Some(people=People(kind="a"))) == ["kind", "rank"]


def test_options_of_other_commands_are_refused_in_one_line():
    known = {"some": [setting.name for setting in settings_of(Some)], "some --other": ["others"]}
    with pytest.raises(InputError, match="--sead: no option of `copybandit some`, perhaps --seed") as caught:
        refuse_unknown(["sead"], "some", known)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="`copybandit some --other` has it"):
        refuse_unknown(["others"], "some", known)
    refuse_unknown(["seed", "no-quick"], "some", known)


def test_help_shows_what_is_common_and_all_in_sections():
    short, everything = (help_text(Some, "copybandit some", "why?", everything=every) for every in (False, True))
    assert "--users INT" in short and "--rank" not in short and "--help-all" in short
    assert all(f"--{setting.name}" in everything for setting in settings_of(Some))
    assert everything.index("The people.") < everything.index("--users") < everything.index("The inner part.")


def test_a_recorded_setting_is_found_by_its_short_name():
    recorded = {"run.seed": 1, "tuner.ppo.updates": 3, "updates": 9}
    assert [value_of(recorded, name) for name in ("seed", "ppo.updates", "updates", "x")] == [1, 3, 9, None]


def test_idle_settings_are_settings():
    assert idle_settings(Some(people=People(users=1))).keys() == {"rank", "inner.size", "inner.rate"}


def test_what_counts_where_built_in_takes_the_bases_place_is_kept():
    """A run in another language is repeated by its config.yaml."""
    options = configured(TuneOptions(), **{"warm_start.lines": 1600, "writer.width": 64})
    assert plain(options)["warm_start"]["lines"] == 1600
    assert plain(options)["writer"]["width"] == 64
