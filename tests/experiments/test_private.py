"""`--private.epsilon`: a whole run, one on a log of one's own, one that goes on; and what is refused in one line."""

import json

import pytest
import torch
from copybandit.experiments.analysis.benchmarks import federated as benchmark_federated
from copybandit.experiments.analysis.benchmarks.options import BenchmarkOptions
from copybandit.experiments.benchmark import run_benchmark
from copybandit.experiments.cli import main
from copybandit.experiments.harness.config import configured
from copybandit.experiments.study.private import FITS
from copybandit.experiments.tune import run_tune
from copybandit.experiments.writing.options import TuneOptions
from copybandit.policies.effect.private import RELEASES
from copybandit.simulation.logs import log_frame, uniform_slates
from copybandit.simulation.scenario import load_scenario
from safetensors.torch import load_file

SMALL = {
    "algorithm": "best-of-n",
    "users": 40,
    "log_impressions": 4000,
    "validation_impressions": 2000,
    "model": "built-in",
    "writer.layers": 1,
    "writer.width": 32,
    "writer.heads": 2,
    "writer.vocabulary": 400,
    "writer.max_new_tokens": 8,
    "warm_start.lines": 160,
    "samples": 1,
    "private.epsilon": 4.0,
}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--private.epsilon", "0"], "--private.epsilon 0.0: give a finite number above 0"),
        (["--private.epsilon", "-1"], "--private.epsilon -1.0: give a finite number above 0"),
        (["--private.epsilon", "inf"], "--private.epsilon inf: give a finite number above 0"),
        (["--private.epsilon", "nan"], "--private.epsilon nan: give a finite number above 0"),
        (["--private.epsilon", "4", "--private.delta", "1"], "--private.delta 1.0: give a number between 0 and 1"),
        (["--private.epsilon", "4", "--private.clip", "0"], "--private.clip 0.0: give a finite number above 0"),
        (["--private.clip", "3"], "--private.clip does nothing without --private.epsilon"),
        (["--private.epsilon", "4", "--segments", "3"], "--segments are found in what users did"),
        (["--private.epsilon", "4", "--scenario", "support"], "visitors of support bring queries"),
        (["--private.epsilon", "4", "--effect.steps", "9"], "--effect.steps does nothing with --private.epsilon"),
        (["--private.epsilon", "4", "--archive", "a.csv"], "--private.epsilon does nothing with --archive"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(given, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["tune", *given])
    lines = capsys.readouterr().err.strip().splitlines()
    assert stopped.value.code == 2
    assert len(lines) == 1
    assert said in lines[0]


def test_a_private_run_says_what_it_spent_and_shows_no_figure_of_the_log(tmp_path, tiny_file):
    pytest.importorskip("opacus")
    run = run_tune(configured(TuneOptions(), **SMALL, scenario=str(tiny_file), out=tmp_path / "run"))
    summary = json.loads((run / "summary.json").read_text())
    told = summary["privacy"]
    assert (told["epsilon"], told["delta"], told["steps"]) == (4.0, 1e-5, FITS * RELEASES)
    assert told["unit"].startswith("user")
    assert told["noise_multiplier"] > 1
    assert told["outside"]
    assert summary["effect_model"] == {}
    assert "differentially private" in (run / "report.html").read_text()


def test_a_private_run_takes_a_log_and_writes_nothing_of_its_users(tmp_path, tiny_file, tiny_world):
    pytest.importorskip("opacus")
    candidates = tiny_world.publish(tiny_world.catalog.ads)
    visits = tiny_world.visitors(800)
    slates = uniform_slates(800, candidates, 2, torch.Generator().manual_seed(0))
    frame = log_frame(tiny_world, tiny_world.respond(visits, slates), torch.full(slates.shape, 0.1))
    frame.to_parquet(tmp_path / "log.parquet")
    given = {k: v for k, v in SMALL.items() if k != "log_impressions"} | {"logs": tmp_path / "log.parquet"}
    run = run_tune(configured(TuneOptions(), **given, scenario=str(tiny_file), out=tmp_path / "run"))
    assert not (run / "segments.csv").exists()
    assert json.loads((run / "summary.json").read_text())["privacy"]["epsilon"] == 4.0


def test_a_run_that_goes_on_spends_nothing_again(tmp_path, tiny_file, monkeypatch):
    pytest.importorskip("opacus")
    options = configured(TuneOptions(), **SMALL, scenario=str(tiny_file))
    first = run_tune(configured(options, out=tmp_path / "run"))
    before = load_file(first / "effect" / "effect.safetensors")
    (first / "summary.json").unlink()

    def never(*given: object, **more: object) -> None:
        raise AssertionError("learned again")

    monkeypatch.setattr("copybandit.experiments.study.private.fit_private_effect_model", never)
    run_tune(configured(options, resume=first))
    after = load_file(first / "effect" / "effect.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_benchmark_of_silos_leaves_a_row_for_each_spread(tmp_path, monkeypatch, tiny_file):
    monkeypatch.setattr(benchmark_federated, "IMPRESSIONS", 60_000)
    monkeypatch.setattr(benchmark_federated, "load_scenario", lambda name: load_scenario(tiny_file))
    monkeypatch.setattr(
        benchmark_federated, "spread", lambda log, seed: {"one silo": 0 * log.user, "two": log.user % 2}
    )
    run = run_benchmark(configured(BenchmarkOptions(), out=tmp_path / "run", quick=True, part="federated", threads=1))
    rows = json.loads((run / "federated.json").read_text())["table"]
    by = {(row["rows"], row.get("local_steps")): row for row in rows}
    assert by["two", 1]["log_loss"] == pytest.approx(by["one silo", 1]["log_loss"], abs=1e-6)
    assert by["two", 1]["bytes"] == 2 * by["one silo", 1]["bytes"]
