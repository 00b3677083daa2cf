"""Run directories that somebody else made: `report`, `runs` and `compare` read them, and leak or run nothing."""

import json
from pathlib import Path

import pandas as pd
import pytest
from copybandit.experiments.analysis.comparison.results import Results
from copybandit.experiments.analysis.drawing.run_files import RunFiles
from copybandit.experiments.playground.server import HEADERS, PAGE
from copybandit.experiments.report import ReportOptions, run_report
from copybandit.experiments.runs import RunsOptions, list_runs
from copybandit.simulation.data.errors import InputError

from .fuzz import damaged, tried, twisted

BOUNDS = {"mean": 0.1, "low": 0.05, "high": 0.15}
SUMMARY = {
    "command": "loop",
    "notes": ["<script>alert(1)</script>"],
    "lift": dict.fromkeys(("ctr", "cvr", "reward"), BOUNDS),
    "lift_over": "users",
    "wall_seconds": {"tune": 3.0},
}
ROW = {"agent": "a", "world": "w", "seed": 0, "settings": "{}", "size": [1], "reward": [0.1], "oracle": [0.2]}


def a_run(folder: Path, summary: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "environment.json").write_text('{"command": "loop"}')
    return folder


def test_twisted_summaries():
    def one(seed):
        run = a_run(Path("runs/r"), twisted(SUMMARY, seed))
        list_runs(RunsOptions())
        run_report(ReportOptions((run,)))

    tried("summary.json", one, 25)
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]


def test_damaged_summaries():
    good = json.dumps(SUMMARY).encode()

    def one(seed):
        run = a_run(Path("runs/r"), SUMMARY)
        (run / "summary.json").write_bytes(damaged(good, seed))
        list_runs(RunsOptions())
        RunFiles(run).check()

    tried("summary.json (bytes)", one, 60)


def test_damaged_results():
    with Results(Path("good.parquet")) as results:
        results.add([ROW | {"seconds": 1.0, "traffic": "{}"}])
    good, path = Path("good.parquet").read_bytes(), Path("r.parquet")

    def one(seed):
        path.write_bytes(damaged(good, seed))
        with Results(path) as results:
            results.refuse_others({"w": "{}"})

    tried("results of compare", one, 60)


@pytest.mark.parametrize("wrong", [{"settings": None}, {"settings": "["}, {"settings": "5"}, {"world": None}])
def test_results_that_name_no_cell(wrong):
    table = pd.DataFrame([ROW | {"seconds": 1.0, "traffic": "{}"} | wrong])
    table.to_parquet("r.parquet", index=False)
    with pytest.raises(InputError, match="give another --results"), Results(Path("r.parquet")):
        pass


def test_a_report_runs_nothing_that_a_text_says():
    run = a_run(Path("r"), SUMMARY)
    page = run_report(ReportOptions((run,))).read_text()
    assert "<script>" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "default-src 'none'" in page


def test_the_page_of_serve_sets_texts_as_text():
    page = PAGE.read_text()
    assert "innerHTML" not in page and "insertAdjacentHTML" not in page and "document.write" not in page
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]


def test_a_report_shows_no_file_from_elsewhere():
    Path("secret.jpg").write_bytes(b"mine")
    run = a_run(Path("r"), SUMMARY)
    (run / "pictures").mkdir()
    (run / "pictures/a.jpg").write_bytes(b"theirs")
    (run / "pictures/link.jpg").symlink_to("../../secret.jpg")
    names = ["a.jpg", "../../secret.jpg", "link.jpg", str(Path("secret.jpg").resolve())]
    pd.DataFrame({"image": names, "file": names}).to_csv(run / "pictures/pictures.csv", index=False)
    assert list(RunFiles(run).pictures) == ["a.jpg"]
