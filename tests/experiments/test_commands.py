"""What each command takes: programs in processes of their own, and how soon the first word comes."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.experiments.analysis.benchmarks import commands
from copybandit.experiments.analysis.benchmarks.commands import JOBS, Job, make_inputs, ordered
from copybandit.experiments.analysis.benchmarks.options import BenchmarkOptions
from copybandit.experiments.analysis.benchmarks.process import copybandit, own_peak, python, run_alone
from copybandit.experiments.benchmark import run_benchmark
from copybandit.experiments.cli import COMMANDS
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.simulation.data.errors import InputError

SERVER = """
import time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_peak_of_a_program_is_not_that_of_who_starts_it():
    held = np.ones(60_000_000)
    assert own_peak() > held.nbytes
    assert run_alone(python("pass")).peak_mb < 60
    assert 190 < run_alone(python("held = b'1' * 200_000_000")).peak_mb < 260
    # What it starts itself counts, and so does its processor time.
    program = f"import subprocess, sys; subprocess.run([{sys.executable!r}, '-c', sys.argv[1]])"
    inner = "held = b'1' * 200_000_000\nfor i in range(3_000_000): pass"
    used = run_alone(python(program, inner))
    assert 190 < used.peak_mb < 260
    assert used.cpu_seconds > 0.05


def test_a_program_is_told_of_as_it_ended():
    used = run_alone(python("import sys; print('said'); print('why', file=sys.stderr); sys.exit(3)"))
    assert (used.code, used.said, used.complained) == (3, "said\n", "why\n")
    with pytest.raises(RuntimeError, match=r"it: ended with code 3 \(why\)"):
        used.whole("it")
    with pytest.raises(RuntimeError, match="nowhere"):
        run_alone(["/nowhere"])


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN])
def test_what_serves_is_stopped_when_it_is_ready(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        used = run_alone(python(SERVER), until="ready")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (used.code, used.said) == (0, "ready\nstopped\n")
    assert used.seconds < 20


def test_who_is_stopped_takes_the_program_along(tmp_path):
    kept = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    module = "copybandit.experiments.analysis.benchmarks.process"
    code = f"from {module} import python, run_alone; run_alone(python({kept!r}))"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as starter:
        _until(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
        starter.send_signal(2)
        starter.wait(20)
    child = int((tmp_path / "pid").read_text())
    _until(lambda: not _alive(child))


def _alive(process: int) -> bool:
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(told.stdout.strip()) and not told.stdout.strip().startswith("Z")


def _until(done, seconds=20.0):
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_every_command_is_measured_but_for_three():
    assert {name for name in COMMANDS if " " not in name} - set(JOBS) == {"reader", "completion", "benchmark"}


def test_jobs_follow_what_they_need():
    assert [job.name for job in ordered(["export", "abtest", "score"])] == [
        "abtest",
        "headlines",
        "score",
        "loop",
        "export",
    ]
    names = list(JOBS)
    assert all(names.index(needed) < names.index(job.name) for job in JOBS.values() for needed in job.needs)


def test_made_inputs_are_what_commands_read(tmp_path):
    make_inputs(tmp_path, 0)
    log, tests = pd.read_parquet(tmp_path / "log.parquet"), pd.read_csv(tmp_path / "tests.csv")
    assert len(log) == 3 * commands.VISITS
    assert len(tests) == 3 * commands.TESTS
    assert tests.clicks.sum() == pytest.approx(0.03 * tests.impressions.sum(), rel=0.1)
    first, second, third = (log[log.position == slot].propensity for slot in (0, 1, 2))
    assert (first.iloc[0], second.iloc[0], third.iloc[0]) == pytest.approx((1 / 25, 1 / 24, 1 / 23))


def test_rows_are_told_one_by_one_and_failures_with_their_reason(tmp_path, monkeypatch):
    seen = []
    jobs = {
        "good": Job("good", python(SERVER), until="ready"),
        "bad": Job("bad", copybandit("abtest", "none.csv")),
        "silent": Job("silent", python("pass"), until="ready"),
    }
    monkeypatch.setattr(commands, "JOBS", jobs)
    monkeypatch.setattr(commands, "make_inputs", lambda folder, seed: None)
    write = commands.write_json
    monkeypatch.setattr(commands, "write_json", lambda path, rows: (write(path, rows), seen.append(len(rows))))
    with pytest.raises(SystemExit, match="1"):
        run_benchmark(configured(BenchmarkOptions(), out=tmp_path / "run", part="commands", threads=1))
    found = read_json(tmp_path / "run" / "summary.json")
    assert seen == [1, 2, 3]
    assert found["failed"] == ["bad", "silent"]
    assert found["commands"] == json.loads((tmp_path / "run" / "commands.json").read_text())
    assert "none.csv" in found["commands"][1]["failed"]
    assert found["commands"][2]["failed"] == "ended without a word of 'ready'"
    with pytest.raises(InputError, match="--only nothing: no such measurement"):
        run_benchmark(configured(BenchmarkOptions(), out=tmp_path / "two", part="commands", only="nothing"))


def test_the_quick_part_runs(tmp_path):
    options = configured(BenchmarkOptions(), out=tmp_path / "run", part="commands", quick=True, threads=1)
    rows = {row["name"]: row for row in read_json(run_benchmark(options) / "summary.json")["commands"]}
    assert tuple(rows) == commands.QUICK
    assert rows["python"]["peak_mb"] < 60 < rows["import torch"]["peak_mb"] < rows["abtest"]["peak_mb"]
    # Nobody waits for libraries to read a list of commands.
    assert rows["--help"]["peak_mb"] < 60
    assert rows["--help"]["cpu_seconds"] < 0.5
    assert rows["import agents"]["cpu_seconds"] < 0.5


HEAVY = ("transformers", "stable_baselines3", "pandas", "matplotlib", "sklearn", "gymnasium", "pyarrow", "pandera")


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("copybandit.agents", ("torch", "numpy", *HEAVY)),
        ("copybandit.agents.registry", HEAVY),
        ("copybandit.experiments.cli", ("torch", "numpy", *HEAVY)),
    ],
)
def test_an_import_brings_what_it_needs_alone(module, without):
    program = f"import sys, {module}; print([name for name in {without!r} if name in sys.modules])"
    assert run_alone(python(program)).whole(module).said.strip() == "[]"
