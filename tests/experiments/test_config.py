from dataclasses import dataclass, field
from pathlib import Path

import pytest
from copybandit.experiments.harness.options import (
    CommonOptions,
    for_archive,
    quick,
    read_config,
    replaced,
    write_config,
)
from copybandit.experiments.study.study import StudyOptions
from copybandit.simulation.data.errors import InputError


@dataclass(frozen=True)
class Inner:
    size: int = 3
    rate: float = 0.5


@dataclass(frozen=True)
class Some(CommonOptions):
    users: int = 1000
    inner: Inner = field(default_factory=Inner)


def test_what_is_written_is_read_back(tmp_path):
    options = Some(seed=4, out=Path("somewhere"), inner=Inner(size=7))
    write_config(tmp_path / "config.yaml", options)
    assert read_config(tmp_path / "config.yaml", Some()) == options


def test_what_the_file_leaves_out_stays(tmp_path):
    (tmp_path / "c.yaml").write_text("inner: {size: 9}\n")
    assert read_config(tmp_path / "c.yaml", Some(seed=2)) == Some(seed=2, inner=Inner(size=9))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sead: 1", "unknown option 'sead'"),
        ("inner: {siez: 1}", "unknown option 'inner.siez'"),
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


def test_replaced_reaches_into_nested_options():
    assert replaced(Some(), seed=1, inner__rate=0.1) == Some(seed=1, inner=Inner(rate=0.1))


def test_quick_sets_only_what_the_command_has():
    assert quick(Some()) == Some(quick=True, users=200)


def test_archive_has_defaults_of_its_own_in_the_commands_that_have_it():
    plain, archive = StudyOptions(), for_archive(StudyOptions())
    assert archive.writer.vocabulary > plain.writer.vocabulary
    assert archive.seed == plain.seed
    assert for_archive(Some()) == Some()
