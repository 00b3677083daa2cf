"""The command line as a user meets it: what goes wrong is said in one line, and nothing is written over."""

from pathlib import Path

import pytest
from copybandit.experiments.cli import COMMANDS, main

CATALOG = "product_id,title,category,price\n"
ADS = "product_id,text\np1,A good pan for you.\n"


@pytest.fixture
def fails(capsys):
    def run(*arguments: object) -> str:
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        assert stopped.value.code == 2
        said = capsys.readouterr().err.strip()
        assert "Traceback" not in said
        return said

    return run


def write(name: str, text: str | bytes) -> Path:
    path = Path(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("", ["no rows"]),
        ("p1,pan,kitchen,-5\n", ["row 2", "price", "zero or more"]),
        ("p1,pan,kitchen,5\np1,pot,kitchen,6\n", ["row 3", "product_id"]),
        ("p1,,kitchen,5\n", ["row 2", "title"]),
    ],
)
def test_a_catalog_with_a_bad_row(fails, rows, says):
    said = fails("loop", "--quick", "--catalog", write("catalog.csv", CATALOG + rows))
    assert len(said.splitlines()) == 1
    assert all(part in said for part in ["catalog.csv", *says])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"product_id,title,category,price\np1,\xb3\xf3d\x9f,kitchen,5\n", "UTF-8"),
        ("b.csv", b"product_id,title,price\np1,pan,5\n", "category"),
        ("c.csv", b"", "empty"),
        ("d.parquet", b"not parquet", "cannot be read"),
    ],
)
def test_a_catalog_that_cannot_be_read(fails, name, content, says):
    said = fails("tune", "--quick", "--catalog", write(name, content))
    assert name in said and says in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--catalog", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--logs", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--archive", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["--scenario", "mars"], "mars: no such scenario"),
        (["--reward.w-ctr", "-1"], "zero or more"),
        (["--reward.w-ctr", "0", "--reward.w-cvr", "0", "--reward.w-div", "0", "--algorithm", "ppo"], "one above zero"),
        (["--users", "0"], "--users 0"),
        (["--ads", "ads.csv"], "--catalog"),
        (["--agent", "nobody"], "nobody"),
    ],
)
def test_options_that_cannot_work(fails, arguments, says):
    said = fails("loop", "--quick", *arguments)
    assert says in said
    assert len(said.splitlines()) == 1


def test_a_model_that_does_not_exist(fails):
    assert "--model no/such-model" in fails("loop", "--quick", "--model", "no/such-model")


def test_a_directory_in_use_is_left_alone(fails):
    mine = Path("mine")
    mine.mkdir()
    (mine / "notes.txt").write_text("keep")
    assert "is there already" in fails("loop", "--quick", "--out", mine)
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]


def test_what_fails_before_it_starts_leaves_nothing(fails):
    fails("loop", "--quick", "--catalog", "nowhere.csv", "--out", "new")
    assert not Path("new").exists()


def test_unknown_commands_and_options(fails):
    assert "no command 'lop'" in fails("lop")
    assert "--sead" in fails("loop", "--sead", "1")


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)
    assert {"loop", "tune", "export"} <= COMMANDS.keys()


def test_resuming_a_run_of_another_command(fails):
    write("environment.json", '{"command": "compare"}')
    write("config.yaml", "agents: lints\n")
    assert "a run of `copybandit compare`; resume it with that command" in fails("tune", "--resume", ".")


def test_a_command_that_needs_no_argument_takes_none(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["runs"])
    assert stopped.value.code == 2
    assert "runs: no such folder" in capsys.readouterr().err
