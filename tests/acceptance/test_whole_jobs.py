"""Whole jobs: the demo at its defaults, and its results handed to the next command."""

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.agents.state import load_agent, save_agent

from .conftest import finished

pytestmark = pytest.mark.slow


def test_the_demo_pays(demo):
    """What README promises of it, with room for another machine's last bits."""
    summary = finished(demo)
    assert summary["lift"]["ctr"]["low"] > 0
    assert summary["lift"]["reward"]["low"] > 0
    assert summary["diversity"]["tuned"] > 0.8 * summary["diversity"]["untuned"]
    grid = summary["grid"]
    assert grid["tuned"]["bandit"]["low"] > grid["untuned"]["uniform"]["high"]


def test_its_texts_are_texts(demo):
    creatives = pd.read_parquet(demo / "creatives.parquet")
    assert set(creatives.writer) == {"untuned", "tuned"}
    assert creatives.text.str.strip().ne("").all()
    assert creatives[["proxy_ctr", "proxy_cvr", "gold_ctr", "gold_cvr"]].stack().between(0, 1).all()


def test_what_it_learned_of_placement_serves_elsewhere(demo, tmp_path):
    """loop -> load_agent -> serve: a slate is a list of texts, and feedback is learned from and kept."""
    service = load_agent(demo / "placement")
    assert service.labels is not None
    context = service.labels.context(hour=20.5, channel="search", segment="eco minded", browsing={"kitchen": 1.0})
    visitor = service.labels.visits(context)
    decision = service.act(visitor, service.on_show)
    shown = service.labels.texts(decision.slates)[0]
    assert len(set(shown)) == service.slots
    assert set(shown) <= set(pd.read_parquet(demo / "creatives.parquet").text)
    before = {name: value.clone() for name, value in service.state_dict().items()}
    service.update(decision.answered(visitor, clicked=[[1, 0, 0]]))
    after = service.state_dict()
    assert any(not torch.equal(value, after[name]) for name, value in before.items() if name.startswith("model."))
    save_agent(service, tmp_path / "served")
    again = load_agent(tmp_path / "served").state_dict()
    assert all(torch.equal(value, again[name]) for name, value in after.items())


def test_its_checkpoint_needs_no_copybandit(demo, console, workplace):
    """loop -> export -> pipeline."""
    from transformers import pipeline

    console("export", demo, "--to", "my-writer")
    write = pipeline("text-generation", str(workplace / "my-writer"))
    prompt = "cast iron skillet | Pellworth | 12 in, seasoned | quality seekers =>"
    text = write(prompt, return_full_text=False)[0]["generated_text"]
    assert text.strip()


def test_its_log_tells_what_policies_earn(demo, console, workplace):
    """loop -> offline: on what was placed at random, the estimate of uniform placement holds what it earned."""
    console("offline", "--logs", demo / "log.parquet", "--policy", "uniform,lints", "--out", "offline-demo")
    summary = finished(workplace / "offline-demo")
    earned, logged = summary["estimates"]["uniform"]["ips"], summary["on_policy"]["as logged"]
    assert earned["low"] <= logged["mean"] <= earned["high"]
    assert summary["estimates"]["lints"]["dr"]["mean"] > logged["mean"]


def test_its_effect_model_judges_lines_of_ones_own(demo, console, workplace):
    """loop -> score: what the run said of its texts, the model that it left says again."""
    creatives = pd.read_parquet(demo / "creatives.parquet")
    ads = creatives[creatives.writer == "tuned"].drop_duplicates(["product_id", "audience", "text"]).head(60)
    ads[["product_id", "audience", "text"]].to_csv(workplace / "lines.csv", index=False)
    console("score", "lines.csv", "--predictor", demo / "effect", "--reasons", "0", "--out", "lines")
    scores = pd.read_parquet(workplace / "lines" / "scores.parquet")
    both = scores.merge(ads, on=["product_id", "audience", "text"])
    assert len(both) == 60
    assert np.abs(both.ctr - both.proxy_ctr).max() < 1e-6


def test_a_world_fitted_to_the_demos_log_is_one_to_compare_in(demo, console, workplace):
    """loop -> calibrate -> compare --scenario, loop --scenario -> report of both loops."""
    console("calibrate", "--logs", demo / "log.parquet", "--out", "fitted")
    finished(workplace / "fitted")
    world = workplace / "fitted" / "world.safetensors"
    console("compare", "--scenario", world, "--quick", "--agents", "lints,beta-thompson", "--out", "compare-fitted")
    agents = finished(workplace / "compare-fitted")["agents"]
    assert {"random", "lints", "beta-thompson"} <= set(agents)
    assert np.isfinite(agents["lints"]["capture"]["mean"])
    console("loop", "--scenario", world, "--quick", "--out", "loop-fitted")
    finished(workplace / "loop-fitted")
    console("report", demo, "loop-fitted", "--out", "both")
    assert (workplace / "both" / "report.html").stat().st_size > 0
    assert "demo" in console("runs", ".").stdout


def test_a_tuned_checkpoint_is_a_model_to_go_on_from(demo, console, workplace):
    """loop -> tune --model, in another world."""
    console("tune", "--model", demo / "checkpoint", "--scenario", "support", "--quick", "--out", "tuned-again")
    assert finished(workplace / "tuned-again")["lift"]["reward"]["mean"] > -1
