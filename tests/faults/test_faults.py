"""What is promised of commands that are stopped, and of machines that fall short; `python -m tests.faults` tries more.

COPYBANDIT_FAULTS is the number of moments at which each of a few commands is killed here.
"""

import contextlib
import errno
import gc
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from itertools import chain
from pathlib import Path

import pytest
import torch
from copybandit.experiments.cli import COMMANDS, main
from copybandit.experiments.harness import mishaps as lines
from copybandit.experiments.harness import stopping
from copybandit.experiments.harness.files import new_folder, write_text
from copybandit.experiments.harness.run import environment
from copybandit.policies.base.corpus import read_rows, write_taught
from copybandit.policies.base.taught import _whole_batches
from copybandit.simulation.data.errors import InputError, out_of_memory
from copybandit.simulation.data.files import named, read_checked, write_folder
from safetensors.torch import save_file

from . import checks
from .commands import CASES
from .inputs import make_inputs
from .kills import Kills
from .mishaps import MISHAPS, befall
from .table import table

MOMENTS = int(os.environ.get("COPYBANDIT_FAULTS", "3"))
BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    return make_inputs(tmp_path_factory.mktemp("faults") / "inputs")


def test_the_script_kills_every_command_that_leaves_something():
    leaves_nothing = {"benchmark", "doctor", "runs", "completion"}  # benchmark repeats its parts, it promises no more
    assert {case.command for case in CASES} | leaves_nothing == {name.split()[0] for name in COMMANDS}
    assert {name for name in BY_NAME if "sweep" in name}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["abtest", "pretrain"])
def test_a_command_that_is_killed(name, inputs, tmp_path):
    rows = Kills(BY_NAME[name], inputs, tmp_path, seed=1).run(MOMENTS)
    assert list(chain(*(row.problems for row in rows))) == []
    assert sum(row.survived for row in rows) == MOMENTS
    assert sum(row.bytes_lost + row.tracebacks for row in rows) == 0


@pytest.mark.slow
@pytest.mark.parametrize("mishap", ["full disk", "read-only directory", "batch too large"])
def test_what_a_machine_refuses_is_one_line(mishap, inputs, tmp_path, monkeypatch):
    for name, few in (("WRITING", ["abtest", "tune"]), ("SHARES", [0.3])):
        monkeypatch.setitem(befall.__globals__, name, few)
    if mishap == "read-only directory" and not befall.__globals__["_may_mount"](tmp_path):
        pytest.skip("no disk can be mounted here")
    rows = list(befall(mishap, inputs, tmp_path / "faults", seed=0))
    assert rows
    assert list(chain(*(row.problems for row in rows))) == []


def test_ctrl_c_and_sigterm_end_a_command_with_one_line_that_says_how_to_go_on(tmp_path):
    """In a process of its own: a command that begins a run, and then waits."""
    code = """
import signal, sys, time
from pathlib import Path
from copybandit.experiments import cli
from copybandit.experiments.harness import stopping

signal.signal(signal.SIGINT, signal.default_int_handler)  # who started the tests may ignore it

def run(name, rest):
    stopping.going_on("`copybandit tune --resume run` goes on")
    print("ready", flush=True)
    while True:
        time.sleep(0.01)

cli._run = run
cli.main(["tune"])
"""
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        process.send_signal(number)  # some send it twice
        said = process.communicate(timeout=30)[1].decode()
        assert said == "copybandit tune: stopped; `copybandit tune --resume run` goes on\n"
        assert process.returncode == 128 + number


def test_a_signal_whose_exception_is_lost_in_a_destructor_stops_all_the_same(capsys):
    class Held:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    def command():
        Held()
        gc.collect()
        time.sleep(20 * stopping.AGAIN)

    with pytest.raises(stopping.Stopped), stopping.stoppable():
        command()
    assert capsys.readouterr().err == ""
    for number in stopping.SIGNALS:  # they are ignored in a process that was stopped
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def test_what_destructors_and_threads_meet_in_a_command_that_is_stopped_is_not_said(capsys, monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)

    class Half:
        def __del__(self):
            raise AttributeError("half made")

    def fails():
        raise ValueError("its other end is gone")

    def command(number):
        for turn in (0, 1):
            Half()
            thread = threading.Thread(target=fails)
            thread.start()
            thread.join()
            if not turn:
                told = capsys.readouterr().err
                assert "half made" in told and "its other end is gone" in told
                with contextlib.suppress(stopping.Stopped):
                    signal.raise_signal(number)

    for number in stopping.SIGNALS:
        with stopping.stoppable():
            command(number)
        assert capsys.readouterr().err == ""
        for one in stopping.SIGNALS:  # they are ignored in a process that was stopped
            signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)


def test_whoever_begins_first_says_how_to_go_on():
    with stopping.stoppable():
        assert stopping.how_to_go_on() == ""
        assert stopping.going_on("a loop")
        assert not stopping.going_on("one of its rounds")
        assert stopping.how_to_go_on() == "; a loop"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device", "/x/summary.json"), "/x/summary.json: no space left; make room"),
        (OSError(30, "Read-only file system", "/x"), "/x: may not be written; choose another --out"),
        (OSError(13, "Permission denied", "/x"), "/x: may not be written"),
        (OSError(24, "Too many open files"), "too many open files"),
        (MemoryError(), "out of memory; give smaller values: --users"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "out of memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:116] DefaultCPUAllocator: can't allocate memory"), "out of mem"),
    ],
    ids=str,
)
def test_what_is_no_fault_of_the_program_is_said(error, says, monkeypatch, capsys):
    def fails(name, rest):
        raise error

    monkeypatch.setattr("copybandit.experiments.cli._run", fails)
    with pytest.raises(SystemExit) as stopped:
        main(["tune"])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and says in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file"), RuntimeError("shapes differ"), KeyError()])
def test_what_is_a_fault_of_the_program_is_not_hidden(error):
    assert lines.told(error, "tune") is None
    assert not out_of_memory(error)


@pytest.fixture
def small_files():
    """No file may grow beyond 20 kB, which to a library is like a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_from_libraries_of_rust(tmp_path, small_files):
    with pytest.raises(OSError, match="File too large") as told, named(Path("x")):
        save_file({"a": torch.zeros(10_000)}, tmp_path / "a")
    assert (told.value.errno, told.value.filename) == (errno.EFBIG, "x")


def test_a_folder_that_could_not_be_written_leaves_the_one_before(tmp_path, small_files):
    write_folder(tmp_path / "f", lambda folder: write_text(folder / "a.txt", "before"))
    with pytest.raises(OSError, match="File too large") as told:
        write_folder(tmp_path / "f", lambda folder: save_file({"a": torch.zeros(10_000)}, folder / "a"))
    assert told.value.filename == str(tmp_path / "f")
    assert (tmp_path / "f" / "a.txt").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f"]


def test_a_disk_that_refuses_what_is_made_of_a_file_does_not_make_the_file_damaged(tmp_path):
    def fails(path):
        raise OSError(errno.EROFS, "Read-only file system", "plots")

    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(OSError, match="Read-only"):
        read_checked(tmp_path / "summary.json", fails)


def test_a_directory_that_was_only_begun_is_taken_again(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / ".environment.json.tmp").write_text('{"comm')
    assert new_folder(tmp_path, "tune") == tmp_path
    (tmp_path / "environment.json").write_text("{}")
    with pytest.raises(InputError, match="is there already"):
        new_folder(tmp_path, "tune")


def test_a_clock_that_was_set_back_names_no_directory_twice(monkeypatch):
    monkeypatch.setattr(time, "strftime", lambda form: form.replace("%Y%m%d-%H%M%S", "20260101-000000"))
    first = new_folder(None, "tune")
    first.mkdir(parents=True)
    assert (first.name, new_folder(None, "tune").name) == ("tune-20260101-000000", "tune-20260101-000000-2")


def test_a_machine_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert environment("tune", torch.device("cpu"))["commit"] is None


def test_lines_of_a_teacher_that_were_cut_off_are_written_again(tmp_path):
    path = tmp_path / "taught.jsonl.gz"
    for number in range(3):
        write_taught(path, [{"batch": number, "prompt": "p", "text": f"{number} {i}"} for i in range(50)])
    path.write_bytes(path.read_bytes()[:-40])
    assert _whole_batches(path) == 2
    write_taught(path, [{"batch": 2, "prompt": "p", "text": "anew"}])
    rows = read_rows(path)
    assert len(rows) == 101 and rows[-1]["text"] == "anew"


def test_the_checks_find_what_is_torn(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, 2')
    (tmp_path / "b.csv").write_text("a,b\n1,2\n3")
    (tmp_path / "c.parquet").write_bytes(b"PAR1 half")
    (tmp_path / "d.safetensors").write_bytes(b"\x10" + bytes(7))
    (tmp_path / "e.html").write_text("<html><p>")
    (tmp_path / ".f.json.tmp").write_text("{")
    (tmp_path / "g.json").write_text(json.dumps({"a": 1}))
    assert set(checks.torn(tmp_path)) == {"a.json", "b.csv", "c.parquet", "d.safetensors", "e.html"}
    assert checks.temporaries(tmp_path) == [".f.json.tmp"]
    assert checks.traces("Traceback (most recent call last):\n  x") == 1
    assert checks.one_line("copybandit tune: stopped\n", "tune") and not checks.one_line("a\nb\n", "tune")


def test_every_mishap_has_commands_to_befall(tmp_path):
    assert all(callable(found) for found in MISHAPS.values()) and len(MISHAPS) >= 7


def test_the_page_shows_the_run_that_is_committed(repository):
    assert table() in (repository / "docs" / "reliability.md").read_text(encoding="utf-8"), (
        "python -m tests.faults.table prints what docs/reliability.md is to show"
    )


def test_tests_that_the_page_names_are_there(repository):
    page, last = (repository / "docs" / "reliability.md").read_text(encoding="utf-8"), ""
    found = re.findall(r"`(tests/[\w/]+\.py)?(?:::(\w+))?`", page)
    assert len([name for _, name in found if name]) > 12
    for file, name in found:
        last = file or last
        assert not name or f"def {name}(" in (repository / last).read_text(encoding="utf-8"), name
