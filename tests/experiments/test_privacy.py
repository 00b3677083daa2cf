"""What is planted in a log is in no file of the runs that read it, and no export tells where it was made."""

import gzip
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch
from copybandit.experiments.calibrate import CalibrateOptions, run_calibrate
from copybandit.experiments.export import ExportOptions, run_export
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.harness.rules import RulesOptions
from copybandit.experiments.loop import run_loop
from copybandit.experiments.offline import OfflineOptions, run_offline
from copybandit.experiments.placing.options import LoopOptions
from copybandit.experiments.playground.answers import Answers
from copybandit.experiments.writing.traces import traces
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.writer.checkpoint import save_checkpoint
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.tensor_file import save_tensors
from copybandit.simulation.logs import log_frame, uniform_slates
from copybandit.simulation.scenario import load_scenario
from copybandit.simulation.world import make_world

TINY = Path(__file__).parent.parent / "data" / "tiny.yaml"
PLANTED = ("user_canary", "anna.canary", "mail.example", "visit_canary", "query canary", "page canary")
SMALL = {
    "model": "built-in",
    "writer.width": 32,
    "writer.heads": 2,
    "writer.vocabulary": 400,
    "writer.max_new_tokens": 8,
    "warm_start.lines": 160,
    "effect.steps": 20,
    "samples": 1,
    "algorithm": "raft",
    "raft.texts": 4,
    "raft.passes": 1,
    "raft.batch": 4,
    "place_impressions": 1024,
    "place_products": 4,
    "validation_impressions": 2000,
    "daily_cap": 3,
    "device": "cpu",
}


def found_in(path: Path) -> set[str]:
    """What was planted that a file, or a table in it, holds."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    if path.suffix == ".parquet":
        content += pd.read_parquet(io.BytesIO(content)).to_csv().encode()
    return {one for one in PLANTED for code in ("utf-8", "utf-16-le") if one.encode(code) in content} | {
        one for one in PLANTED if one in str(path.name)
    }


@dataclass(frozen=True)
class Runs:
    log: Path
    fit: Path
    loop: Path
    rehearsed: Path
    offline: Path

    @property
    def files(self) -> list[Path]:
        runs = (self.fit, self.loop, self.rehearsed, self.offline)
        return [path for run in runs for path in run.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    """A log with ids, addresses and search terms, and every kind of run that reads it or its world."""
    folder = tmp_path_factory.mktemp("privacy_of_this_machine")
    scenario, catalog = load_scenario(TINY)
    world = make_world(scenario, catalog, seed=0, users=40)
    candidates = world.publish(catalog.ads)
    slates = uniform_slates(3000, candidates, 2, torch.Generator().manual_seed(0))
    log = log_frame(world, world.respond(world.visitors(3000), slates), (1 / (12 - torch.arange(2))).expand(3000, 2))
    user = log.user_id.map(lambda number: f"user_canary_{number:04x}")
    log = log.assign(
        user_id=user,
        impression_id=[f"visit_canary_{number}" for number in log.impression_id],
        context_query=[f"query canary {row // 2 % 50}" for row in range(len(log))],
        context_page="page canary",
        user_email=[f"anna.canary.{one[-4:]}@mail.example" for one in user],
    )
    log.to_csv(folder / "log.csv", index=False)
    loop = configured(LoopOptions(), quick=True, **SMALL)
    small = {"logs": folder / "log.csv", "scenario": str(TINY)}
    fit = run_calibrate(configured(CalibrateOptions(), out=folder / "fit", **small))
    world_file = {"scenario": str(fit / "world.safetensors"), "log_impressions": 4000, "delay": "waited"}
    return Runs(
        folder / "log.csv",
        fit,
        run_loop(configured(loop, out=folder / "loop", users=40, **small)),
        run_loop(configured(loop, out=folder / "rehearsed", **world_file)),
        run_offline(configured(OfflineOptions(), out=folder / "offline", logs=folder / "log.csv", draws=4)),
    )


def test_the_search_finds_what_is_there(runs, tmp_path):
    log = pd.read_csv(runs.log)
    log.to_parquet(tmp_path / "log.parquet")
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(runs.log.read_bytes()))
    for path in (runs.log, tmp_path / "log.parquet", tmp_path / "log.csv.gz"):
        assert found_in(path) == set(PLANTED)
    facts = {"user": log.user_id[0]}
    save_tensors(tmp_path / "state.safetensors", {"a": torch.zeros(1)}, facts, kind="a", format_version=1)
    assert found_in(tmp_path / "state.safetensors") == {"user_canary"}


def test_nothing_planted_in_a_log_is_in_any_file_of_any_run(runs):
    kinds = {path.suffix for path in runs.files}
    assert {".safetensors", ".parquet", ".csv", ".json", ".html", ".svg", ".yaml", ".md"} <= kinds
    assert {path: found for path in runs.files if (found := found_in(path))} == {}


def test_what_is_served_holds_nothing_of_it_either(runs):
    answers = Answers.of(runs.loop, torch.device("cpu"), RulesOptions())
    said = json.dumps([answers.offered(), answers.write({"title": "iron pan", "category": "kitchen"})])
    assert not any(one in said for one in PLANTED)


def test_what_is_handed_on_does_not_say_where_it_was_made(runs):
    for run in (runs.loop, runs.rehearsed):
        for folder in (run / "checkpoint", run / "effect", run / "placement"):
            assert traces(folder) == {}
            assert not any(b"privacy_of_this_machine" in path.read_bytes() for path in folder.iterdir())
    assert b"privacy_of_this_machine" not in (runs.fit / "world.safetensors").read_bytes()


def test_users_of_a_log_that_a_run_leaves_have_pseudonyms(runs):
    """In a fitted world user 7 is a user of somebody's log; a pseudonym of one run says nothing in another."""
    first, second = (pd.read_parquet(run / "log.parquet").user_id for run in (runs.rehearsed, runs.loop))
    assert first.str.fullmatch("[0-9a-f]{16}").all() and 1 < first.nunique() <= 40
    assert not set(first) & set(second)


@pytest.mark.parametrize("command", ["calibrate", "loop"])
def test_a_segment_for_every_user_is_an_id_by_another_name(runs, tmp_path, command):
    log = pd.read_csv(runs.log)
    log.assign(user_segment=log.user_email).to_csv(tmp_path / "log.csv", index=False)
    given = {"logs": tmp_path / "log.csv", "scenario": str(TINY), "out": tmp_path / "run"}
    options, run = {
        "loop": (configured(LoopOptions(), **SMALL), run_loop),
        "calibrate": (CalibrateOptions(), run_calibrate),
    }[command]
    with pytest.raises(InputError, match="40 of 40 segments have one user each") as error:
        run(configured(options, **given))
    assert "mail.example" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_no_line_of_the_log_stands_in_the_effect_model(runs):
    said = (runs.loop / "effect" / "effect.safetensors").read_bytes()
    texts = pd.read_csv(runs.log).text.unique()
    assert len(texts) == 12 and not any(text.encode() in said for text in texts)


def test_export_looks_first_and_leaves_figures_beside(runs, tmp_path, capsys):
    to = run_export(ExportOptions(runs.loop, tmp_path / "writer", check=True))
    said, figures = capsys.readouterr().out, read_json(tmp_path / "writer.check.json")
    assert to == tmp_path / "writer" and (to / "model.safetensors").is_file()
    assert figures["sampled"] == 256 and figures["ads"] == 12 and figures["files"] == {}
    assert figures["personal"] == figures["known"] == figures["vocabulary"] == 0
    assert said.splitlines()[-1].startswith("verdict: ")
    assert not any(one in said for one in PLANTED)
    (tmp_path / "writer2.check.json").touch()
    with pytest.raises(InputError, match=r"writer2\.check\.json: is there already"):
        run_export(ExportOptions(runs.loop, tmp_path / "writer2", check=True))
    assert run_export(ExportOptions(runs.loop, check=True)) == runs.loop
    with pytest.raises(InputError, match="give --to"):
        run_export(ExportOptions(runs.loop))


def test_export_warns_of_what_a_checkpoint_knows_by_heart(runs, tmp_path, capsys, monkeypatch):
    """A writer that read one line with a telephone number and nothing else, in a run whose ads have it."""
    scenario, catalog = load_scenario(TINY)
    said = Creative(catalog.products[0].product_id, "Call 0151 2345678")
    own = catalog.with_ads([Creative(product.product_id, said.text) for product in catalog.products])
    writer = make_writer(own, WriterConfig(1, 32, 2, 400, 12), seed=0)
    settings = WarmStartConfig(lines=1600, batch=16, learning_rate=5e-3)
    warm_start(writer, own, list(scenario.segments), settings, seed=0)
    run = tmp_path / "run"
    save_checkpoint(writer, run / "checkpoint", "iron pan =>", {"made on": "/home/anna/ads.csv"}, {})
    monkeypatch.setattr("copybandit.experiments.writing.memorised.learned_from", lambda run: (own, set()))
    run_export(ExportOptions(run, check=True))
    *lines, verdict = capsys.readouterr().out.splitlines()
    assert "look before you hand it on" in verdict
    assert "1 of 1 personal lines are known by heart" in verdict
    assert "of its texts repeat an ad" in verdict and "words of its vocabulary" in verdict
    assert "README.md: a path, /home/anna" in lines
    assert not any("2345678" in line for line in lines)


def test_what_the_run_learned_from_has_to_be_there(runs, tmp_path):
    moved = runs.log.rename(runs.log.with_name("moved.csv"))
    try:
        with pytest.raises(InputError, match=r"log\.csv.*--check reads again what the run learned from"):
            run_export(ExportOptions(runs.loop, tmp_path / "writer", check=True))
        assert not (tmp_path / "writer").exists()
    finally:
        moved.rename(runs.log)


def test_traces_by_hand(tmp_path):
    (tmp_path / "README.md").write_text("Made of /home/anna/ads.csv by anna@mail.example; see https://x.example/data/a")
    (tmp_path / "config.json").write_text('{"name": "user_canary_0007", "path": "C:\\\\Users\\\\anna", "n": 1234567}')
    (tmp_path / "weights.bin").write_bytes(b"\0" + str(Path.home()).encode() + b"/base\0")
    (tmp_path / "pairs.txt.gz").write_bytes(gzip.compress(b"user_canary_0008 short"))
    found = traces(tmp_path, {"user_canary_0007", "user_canary_0008", "short"})
    assert found["README.md"] == ["a path, /home/anna", "an address, anna@mail.example"]
    assert found["config.json"] == ["a path, C:\\\\Users\\\\anna", "1 user id of the log"]
    assert found["pairs.txt.gz"] == ["1 user id of the log"]
    assert found.get("weights.bin", ["the home directory"]) == ["the home directory"]
