"""What a stage shows: a bar on a screen, a line now and then in a file, and a line when it ends."""

import io

import pytest
from copybandit.experiments.harness import run as harness
from copybandit.experiments.harness.config import configured
from copybandit.experiments.tune import TuneOptions
from rich.console import Console


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A run that is written to a file, by a clock that is set."""
    clock = {"now": 0.0}
    monkeypatch.setattr(harness.time, "perf_counter", lambda: clock["now"])
    run = harness.Run("tune", configured(TuneOptions(), out=tmp_path / "run", device="cpu"))
    file = io.StringIO()
    run.console = Console(file=file, width=40)
    return run, clock, file


def test_a_long_stage_tells_a_file_how_far_it_is(shown):
    run, clock, file = shown
    with run.stage("warm start", total=1600) as stage:
        for lines, now in ((40, 30.0), (440, 61.0), (100, 90.0)):
            clock["now"] = now
            stage.advance(lines, "loss 2.10")
    told = file.getvalue().splitlines()
    assert [" ".join(line.split()) for line in told] == [
        "warm start 480 of 1,600 in 61 s, about 142 s to go loss 2.10",
        "warm start 90.0 s loss 2.10",
    ]


def test_a_stage_without_an_end_in_sight_says_how_long_it_has_been(shown):
    run, clock, file = shown
    with run.stage("gold") as stage:
        clock["now"] = 75.0
        stage.advance()
    assert " ".join(file.getvalue().splitlines()[0].split()) == "gold 75.0 s so far"
