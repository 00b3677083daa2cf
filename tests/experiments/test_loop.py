"""The main job from end to end, in a world of four products."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from copybandit.agents.state import load_agent, save_agent
from copybandit.experiments.analysis.drawing.formats import told_reasons
from copybandit.experiments.analysis.drawing.run_files import RunFiles
from copybandit.experiments.analysis.loop.gallery import shown_texts
from copybandit.experiments.analysis.loop.story import last_words, next_steps
from copybandit.experiments.cli import main
from copybandit.experiments.export import ExportOptions, run_export
from copybandit.experiments.harness.command_line import parsed
from copybandit.experiments.harness.config import configured
from copybandit.experiments.loop import run_loop
from copybandit.experiments.placing.options import LoopOptions
from copybandit.experiments.tune import run_tune
from copybandit.experiments.writing.options import TuneOptions
from copybandit.policies.effect.effect_file import read_effect
from copybandit.policies.effect.model import EffectModel
from copybandit.policies.effect.reasons import reasons_of_ads
from copybandit.policies.headlines import encoder
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.text.encoder import TextEncoder

SMALL = {
    "users": 40,
    "log_impressions": 4000,
    "validation_impressions": 2000,
    "samples": 2,
    "effect.steps": 20,
    "model": "built-in",
    "writer.layers": 1,
    "writer.width": 32,
    "writer.heads": 2,
    "writer.vocabulary": 400,
    "writer.max_new_tokens": 8,
    "warm_start.lines": 160,
    "ppo.updates": 2,
    "ppo.batch": 16,
    "ppo.group": 4,
    "ppo.mini_batches": 1,
}


def options(scenario: Path, out: Path, **changes: object) -> LoopOptions:
    small = SMALL | {"algorithm": "ppo", "place_impressions": 2048, "place_products": 4}
    return configured(configured(LoopOptions(), scenario=str(scenario), out=out), **(small | changes))


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    """The same loop, twice."""
    scenario = Path(__file__).parent.parent / "data" / "tiny.yaml"
    base = tmp_path_factory.mktemp("runs")
    return [run_loop(options(scenario, base / name)) for name in ("first", "second")]


def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def test_the_run_directory_is_complete(runs):
    for name in ("config.yaml", "environment.json", "metrics.csv", "summary.json", "report.html", "creatives.parquet"):
        assert (runs[0] / name).stat().st_size > 0
    assert list((runs[0] / "tensorboard").iterdir())


def test_the_commands_that_it_ends_with_work(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", lambda self: None)
    steps = next_steps(RunFiles(runs[0]))
    assert [command.split()[1] for _, command in steps] == ["serve", "export", "score", "loop", "offline"]
    pd.read_parquet(runs[0] / "creatives.parquet")[["product_id", "audience", "text"]].drop_duplicates().to_csv(
        "YOUR_TEXTS.csv"
    )
    (tmp_path / "YOUR_LOG.csv").write_bytes((runs[0] / "log.parquet").read_bytes())
    for _, command in steps:
        arguments = command.split()[1:]
        if arguments[0] == "loop":
            options = parsed(LoopOptions, arguments[1:], "loop")
            assert (options.run.seed, options.run.out, options.world.users) == (1, None, SMALL["users"])
        else:
            main(arguments)
    assert {path.name.split("-")[0] for path in (tmp_path / "runs").iterdir()} == {"score", "offline"}
    assert (tmp_path / "my-writer" / "model.safetensors").is_file()
    said = last_words(runs[0])
    assert any(line.startswith("Fell short: ") for line in said)
    assert all(f"  {command}" in said for _, command in steps)


def test_the_texts_of_the_report_are_explained(runs):
    creatives = pd.read_parquet(runs[0] / "creatives.parquet")
    shown = [label for pair in shown_texts(creatives) for label in pair]
    told = creatives.loc[shown]  # what is garbled into one unknown word has nothing that could be left out
    assert (told.reasons[told.text.str.split().str.len() > 1] != "").all() and (told.reasons != "").sum() > 1
    assert (creatives.drop(index=shown).reasons == "").all()
    first = creatives.loc[shown[0]]
    kind, state = read_effect(runs[0] / "effect")
    assert kind == "EffectModel"
    effect = EffectModel.restored(state, lambda catalog: None)
    told = reasons_of_ads(effect, [Creative(first.product_id, first.text, first.audience)], 10.0)
    assert told_reasons(told) == [first.reasons]


def test_what_was_placed_can_be_taken_away_and_goes_on(runs, tmp_path):
    agent = load_agent(runs[0] / "placement")
    tuned = pd.read_parquet(runs[0] / "creatives.parquet").query("writer == 'tuned'")
    assert {creative.text for creative in agent.labels.creatives} <= set(tuned.text)
    visit = agent.labels.visits(agent.labels.context(channel=agent.labels.channels[0]))
    decision = agent.act(visit, agent.on_show)
    assert set(agent.labels.texts(decision.slates)[0]) <= set(tuned.text)
    agent.update(decision.answered(visit, torch.ones(decision.slates.shape)))
    save_agent(agent, tmp_path / "placement")
    assert load_agent(tmp_path / "placement").ledger.issued == agent.ledger.issued == 2048 + 1


def test_claims_without_support_are_counted_and_told(runs):
    share, texts = summary(runs[0])["false_claims"], pd.read_parquet(runs[0] / "creatives.parquet")
    for writer in ("untuned", "tuned"):
        assert share[writer] == pytest.approx(texts[texts.writer == writer].claims.ne("").mean())
    assert "claim a number, price, material" in (runs[0] / "report.html").read_text()


def test_summary_has_the_keys_that_others_read(runs):
    found = summary(runs[0])
    for name in ("ctr", "cvr", "reward"):
        interval = found["lift"][name]
        assert interval["low"] <= interval["mean"] <= interval["high"]
    assert found["diversity"].keys() == {"untuned", "tuned"}
    assert {w: set(row) for w, row in found["grid"].items()} == {
        "untuned": {"uniform", "bandit"},
        "tuned": {"uniform", "bandit"},
    }
    assert [point["step"] for point in found["proxy_gold"]] == [0, 1, 2]
    assert {"log_loss", "auc", "calibration_error", "f1"} <= found["effect_model"]["click"].keys()
    assert found["wall_seconds"].keys() >= {"warm start", "PPO", "placement"}
    test = found["ab_test"]
    assert test["winner"] in (None, "untuned", "tuned") and test["impressions"] <= 2 * 2048
    assert test["difference"]["low"] <= test["difference"]["mean"] <= test["difference"]["high"]
    assert "As an A/B test of the writers under uniform placement" in (runs[0] / "report.html").read_text()


def test_same_seed_same_summary(runs):
    first, second = (summary(run) for run in runs)
    for found in (first, second):
        found.pop("wall_seconds")
    assert first == second


def test_creatives_come_from_both_writers_for_the_same_prompts(runs):
    creatives = pd.read_parquet(runs[0] / "creatives.parquet")
    prompts = creatives.groupby("writer")[["product_id", "audience"]].apply(lambda rows: rows.to_numpy().tolist())
    assert prompts["tuned"] == prompts["untuned"]
    assert creatives[["proxy_ctr", "proxy_cvr", "gold_ctr", "gold_cvr"]].gt(0).all().all()


def test_best_of_n_chooses_and_does_not_tune(tiny_file, tmp_path):
    given = {**SMALL, "scenario": str(tiny_file), "out": tmp_path / "run", "algorithm": "best-of-n"}
    run = run_tune(configured(TuneOptions(), **given))
    found = summary(run)
    assert found["reward_calls"] == 16 * found["texts"]
    assert found["kl"] == pytest.approx(1.8351, abs=1e-3)  # log 16 - 15 / 16
    reward = pd.read_parquet(run / "creatives.parquet").groupby("writer").reward.mean()
    assert reward.tuned > reward.untuned
    assert "picked among several" in (run / "checkpoint" / "README.md").read_text()


def test_exported_checkpoint_opens_without_copybandit(runs, tmp_path):
    to = run_export(ExportOptions(runs[0], tmp_path / "writer"))
    write = transformers.pipeline("text-generation", str(to))
    assert isinstance(write("steel knife | savers =>", max_new_tokens=4)[0]["generated_text"], str)
    card = (to / "README.md").read_text()
    assert "Lift in simulation is not real lift" in card
    assert "gold CTR lift" in card
    with pytest.raises(InputError, match="is there already"):
        run_export(ExportOptions(runs[0], to))


def test_export_of_nothing(tmp_path):
    with pytest.raises(InputError, match="no finished checkpoint"):
        run_export(ExportOptions(tmp_path, tmp_path / "to"))


def test_a_run_directory_is_not_written_over(runs, tiny_file):
    before = (runs[0] / "summary.json").read_bytes()
    with pytest.raises(InputError, match="is there already"):
        run_loop(options(tiny_file, runs[0]))
    assert (runs[0] / "summary.json").read_bytes() == before


@pytest.fixture
def archive(tmp_path) -> Path:
    """Sixty tests of three texts: thirty stories, each tested twice."""
    rng = np.random.default_rng(0)
    words = ["you", "will", "never", "guess", "what", "this", "small", "dog", "did", "when", "asked", "to", "stay"]
    rows = []
    for i in range(180):
        text = " ".join(rng.permutation(words)[:8])
        clicks = rng.binomial(3000, 0.04 if "never" in text else 0.02)
        about = f"A dog was told to stay. Then came day {i // 6}."
        rows.append({"test_id": f"t{i // 3}", "text": text, "about": about, "impressions": 3000, "clicks": clicks})
    path = tmp_path / "tests.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_an_archive_of_tests_goes_round_the_same_loop(archive, tmp_path):
    run = run_loop(options(Path("shop"), tmp_path / "run", archive=archive))
    assert summary(run)["effect_model"]["click"]["pairs"] > 0
    assert "conversions are not in the archive" in summary(run)["notes"][0]
    assert "Better text named" in (run / "report.html").read_text()
    texts = pd.read_parquet(run / "creatives.parquet")
    told = texts.groupby("title").product_id.nunique()
    assert set(told) == {1}  # a story that was tested twice is written for once


class KnownVectors:
    """In place of a pretrained encoder: two depths of a text, by its hashed n-grams."""

    means, firsts, title = ("layer 1", "layer 2"), ("first token, layer 1",), "somewhere"

    def __init__(self, path: Path, device: object = "cpu") -> None:
        assert path == Path("somewhere")

    def named(self, name: str):
        return lambda texts: TextEncoder(dim=24, seed=len(name)).encode(texts).double().numpy()


def test_sentence_vectors_teach_the_effect_model_of_an_archive(archive, tmp_path, monkeypatch):
    """loop --archive --encoder -> score."""
    monkeypatch.setattr(encoder, "SentenceVectors", KnownVectors)
    run = run_loop(options(Path("shop"), tmp_path / "run", archive=archive, encoder="somewhere"))
    assert "vectors of texts by somewhere" in " ".join(summary(run)["notes"])
    kind, state = read_effect(run / "effect")
    assert kind == "StackedEffect" and state["encoder"] == "somewhere" and state["views"]["layers"]
    lines = ["you will never guess what this small dog", "you will guess what this small dog did"]
    (tmp_path / "lines.csv").write_text("text\n" + "\n".join(lines) + "\n")
    main(["score", str(tmp_path / "lines.csv"), "--predictor", str(run / "effect"), "--out", str(tmp_path / "scores")])
    scores = pd.read_parquet(tmp_path / "scores" / "scores.parquet")
    assert scores.text[0] == lines[0] and scores.ctr[0] > 1.3 * scores.ctr[1]


def test_too_few_creatives_for_the_slots_are_refused_before_anything_is_tuned(archive, tmp_path):
    with pytest.raises(InputError, match="make 1 creatives for 3 slots"):
        run_loop(options(Path("shop"), tmp_path / "run", archive=archive, place_products=1))
    assert not (tmp_path / "run" / "checkpoint").exists()
