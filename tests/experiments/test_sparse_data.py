"""Tests of few clicks, of few texts, or all alike: a result with wide intervals, or one line that says why not."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from copybandit.experiments.analysis.drawing.run_files import RunFiles
from copybandit.experiments.cli import main

WORDS = (
    *("ways", "secret", "dogs", "love", "people", "never", "story", "why", "this", "video", "makes"),
    *("you", "cry", "laugh", "girl", "boy", "said", "world", "best"),
)


def archive(tests: int = 60, arms: int = 3, shown: int = 400, rate: float = 0.02, texts: tuple[str, ...] = ()):
    """Tests of texts that all have one rate; `texts` stand in every test, or each has its own."""
    rng = np.random.default_rng(0)
    rows = [
        (f"t{test}", texts[arm % len(texts)] if texts else " ".join(rng.choice(WORDS, 6)), shown)
        for test in range(tests)
        for arm in range(arms)
    ]
    frame = pd.DataFrame(rows, columns=["test_id", "text", "impressions"])
    return frame.assign(clicks=rng.binomial(frame.impressions, rate))


ONE_CLICK = archive(rate=0.0)
ONE_CLICK.loc[5, "clicks"] = 1
ARCHIVES = {
    "no significant pair": archive(30, shown=60),
    "one click in all": ONE_CLICK,
    "one impression a text": archive(shown=1, rate=0.1),
    "seven tests": archive(7),
    "three tests": archive(3),
    "two tests": archive(2),
    "one test": archive(1),
    "no test of two texts": archive(arms=1),
    "one text": archive(texts=("the very same",)),
    "two texts in every test": archive(texts=("the first", "the second")),
    "no click": archive(rate=0.0),
    "always a click": archive(rate=1.0),
    "ties": archive().assign(clicks=7),
}
UNTOLD = r"in the archive no two texts of a test differ in click rate \(.* clicks of .* impressions\)"
FEW = "tests that share no text are too few for . parts; bring more tests"
SINGLE = "no test has two texts in one group"
REFUSED = {
    "two tests": FEW,
    "one test": FEW,
    "no test of two texts": SINGLE,
    "one text": SINGLE,
    "two texts in every test": FEW,
    "no click": UNTOLD,
    "always a click": UNTOLD,
    "ties": UNTOLD,
}
SMALL = {"headlines": ["--encoder", "none", "--repetitions", "1", "--traffic", "200"], "calibrate": []}


def ends(command: str, frame: pd.DataFrame, tmp_path: Path, more: list[str]) -> Path:
    """Runs a command on an archive; its directory."""
    frame.to_csv(tmp_path / "tests.csv", index=False)
    main([command, "--archive", str(tmp_path / "tests.csv"), "--out", str(tmp_path / "run"), *more])
    return tmp_path / "run"


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("command", ["headlines", "calibrate", "loop"])
def test_what_tells_nothing_of_texts_is_refused_in_one_line(command, kind, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        ends(command, ARCHIVES[kind], tmp_path, [])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert pd.Series([said]).str.contains(REFUSED[kind]).all(), said
    assert not (tmp_path / "run" / "summary.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(ARCHIVES.keys() - REFUSED.keys()))
@pytest.mark.parametrize("command", SMALL)
def test_what_tells_little_is_a_whole_run(command, kind, tmp_path, capsys):
    if (command, kind) == ("headlines", "three tests"):
        pytest.skip("fewer tests than parts are refused, see above")
    run = ends(command, ARCHIVES[kind], tmp_path, SMALL[command])
    json.loads((run / "summary.json").read_text(), parse_constant=pytest.fail)
    assert (run / "report.html").stat().st_size > 0
    assert "nan" not in capsys.readouterr().out
    if command == "headlines":
        found = RunFiles(run).summary["pairwise_accuracy"]["all"]
        assert 0 <= found["low"] < found["mean"] < found["high"] <= 1


@pytest.mark.slow
def test_what_was_not_significant_is_said_to_be_unknown(tmp_path, capsys):
    run = ends("headlines", archive(30, shown=60), tmp_path, SMALL["headlines"])
    written = json.loads((run / "summary.json").read_text())
    assert written["pairs"]["significant"] == 0
    assert written["pairwise_accuracy"]["significant"] == {"mean": None, "low": None, "high": None}
    assert math.isnan(RunFiles(run).summary["pairwise_accuracy"]["significant"]["low"])
    assert "pairwise accuracy, significant: not known [not known]" in capsys.readouterr().out
    assert "not known" in (run / "report.html").read_text()


@pytest.mark.slow
def test_a_loop_on_tests_of_which_none_is_clear(tmp_path, capsys):
    run = ends("loop", archive(), tmp_path, ["--quick"])
    heads = json.loads((run / "summary.json").read_text())["effect_model"]["click"]
    assert heads["significant_pairs"] == 0 and heads["accuracy_significant"] is None
    assert "not known" in (run / "report.html").read_text()
