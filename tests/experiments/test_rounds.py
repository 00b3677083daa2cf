"""Rounds of the loop: what enters, what retires, and what the same visitors make of both lines."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.agents.state import load_agent
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import load_table
from copybandit.experiments.harness.run import Run
from copybandit.experiments.loop import run_loop
from copybandit.experiments.placing.options import LoopOptions
from copybandit.experiments.placing.rounds import LINES, Lineup
from copybandit.experiments.study.shop import simulated_log
from copybandit.experiments.writing.options import TuneOptions
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.data.errors import InputError

SMALL = {
    "users": 40,
    "log_impressions": 4000,
    "validation_impressions": 2000,
    "choose": 2,
    "effect.steps": 20,
    "model": "built-in",
    "writer.width": 32,
    "writer.vocabulary": 400,
    "writer.max_new_tokens": 8,
    "warm_start.lines": 160,
    "ppo.updates": 2,
    "ppo.batch": 16,
    "ppo.group": 4,
    "place_impressions": 2048,
    "place_products": 4,
    "rounds": 2,
    "round_hours": 50.0,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_file) -> Path:
    out = tmp_path_factory.mktemp("rounds") / "run"
    return run_loop(configured(configured(LoopOptions(), scenario=str(tiny_file), out=out), **SMALL))


def test_both_lines_begin_alike_and_each_round_logs_then_places(run):
    first, second = json.loads((run / "summary.json").read_text())["rounds"]
    # 50 hours of log, then 2,048 visits at 100 an hour.
    assert first["hours"] == pytest.approx([50, 70.48])
    assert second["hours"] == pytest.approx([120.48, 140.96])
    rewards = [first["lines"][name]["reward"]["mean"] for name in LINES]
    assert rewards[0] == rewards[1]
    assert first["gain"]["mean"] == first["texts"]["mean"] == 0
    retrained, kept = (second["lines"][name] for name in LINES)
    assert retrained["reward"]["mean"] != kept["reward"]["mean"]
    assert (kept["entered"], kept["retired"], kept["on_show"]) == (0, 0, 8)
    assert retrained["on_show"] == 8 + retrained["entered"] - retrained["retired"]
    gain = retrained["reward"]["mean"] / kept["reward"]["mean"] - 1
    assert second["gain"]["mean"] == pytest.approx(gain)


def test_every_round_is_a_tuning_run_from_one_warm_start(run):
    found = [json.loads((run / f"round-{number}" / "summary.json").read_text()) for number in (1, 2)]
    assert found[0]["warm_start_loss"] == found[1]["warm_start_loss"]
    assert "warm start" not in found[1]["wall_seconds"]
    assert found[0]["effect_model"] != found[1]["effect_model"]
    untuned = [
        pd.read_parquet(run / f"round-{number}" / "creatives.parquet").query("writer == 'untuned'").text.tolist()
        for number in (1, 2)
    ]
    assert untuned[0] == untuned[1]
    last = (run / "round-2" / "checkpoint" / "model.safetensors").read_bytes()
    assert (run / "checkpoint" / "model.safetensors").read_bytes() == last
    page = (run / "report.html").read_text()
    assert "Round by round" in page and (run / "plots" / "rounds.svg").is_file()


def test_arms_say_what_each_creative_earned(run):
    arms = pd.read_csv(run / "arms.csv")
    assert set(arms.entered) <= {1, 2} and set(arms.retired) <= {0, 2}
    assert (arms.retired[arms.entered == 2] == 0).all()
    assert (arms.trials > 0).any() and (arms.earned >= 0).all()
    table = pd.read_csv(run / "rounds.csv")
    assert table["round"].tolist() == [1, 1, 2, 2] and table.line.tolist() == [*LINES, *LINES]


def test_the_agent_that_is_left_knows_who_retired(run):
    arms, agent = load_table(run / "arms.csv", ["arm"]), load_agent(run / "placement")
    assert [creative.text for creative in agent.labels.creatives] == arms.text.tolist()
    assert agent.on_show.tolist() == arms.arm[arms.retired == 0].tolist()


def line(world, texts) -> Lineup:
    return Lineup.start(world, texts, configured(LoopOptions(), users=40))


def test_the_half_that_earned_least_retires_and_what_is_written_again_stays(tiny_world):
    old = [Creative(product, f"Save on a solid one {product}.", "savers") for product in ("k1", "k2", "o1", "o2")]
    shown = line(tiny_world, old)
    shown.arms["trials"] = 100.0
    shown.arms["earned"] = [40.0, 10.0, 20.0, 30.0]
    again, new = old[1], Creative("o1", "Tough and handmade.", "savers")
    shown.rewrite([again, new], 2)
    # Of four two leave: the least is k2, but it was written again; then come o1 and o2.
    assert shown.arms.retired.tolist() == [0, 0, 2, 2, 0]
    assert shown.arms.entered.tolist() == [1, 1, 1, 1, 2]
    assert shown.on_show.tolist() == [0, 1, 4]
    assert shown.world.creatives[4] == new and shown.agent.arms == 5


def test_a_new_arm_believes_what_is_known_of_the_text_before_it(tiny_world):
    old = [Creative(product, f"A solid one {product}.", "savers") for product in ("k1", "o1")]
    shown = line(tiny_world, old)
    visits = shown.world.visitors(512)
    slates = torch.tensor([[0, 1]]).repeat(512, 1)
    for _ in range(5):
        shown.agent.update(shown.world.respond(visits, slates))
    shown.rewrite([Creative("o1", "Tough.", "savers"), Creative("k1", "Worth it.", "savers")], 2)
    believed = shown.agent.model.posterior(visits.context, torch.arange(4)).mean
    torch.testing.assert_close(believed[:, [2, 3]], believed[:, [1, 0]])
    assert believed.std() > 0


def test_a_log_of_some_hours_spans_them_whatever_its_size(tiny_world, tmp_path):
    options = configured(configured(TuneOptions(), out=tmp_path / "run"), log_impressions=4000)
    tiny_world.visitors(200)
    ads = tiny_world.catalog.ads
    logs = simulated_log(tiny_world, ads, options, Run("tune", options), seed=1, hours=7.0, validation=1000)
    assert [int(log.impressions.sum()) for log in logs] == [2 * 3600, 2 * 400, 2 * 1000]
    assert tiny_world.traffic.hours == pytest.approx(2 + 7)
    np.testing.assert_allclose(tiny_world.visitors(2).hours, [9.0, 9.01])


@pytest.mark.parametrize("other", [{"archive": Path("a.csv")}, {"logs": Path("l.csv")}, {"resume": Path("run")}])
def test_rounds_need_a_world_that_goes_on(other):
    with pytest.raises(InputError, match="--rounds 2: needs a world that goes on"):
        configured(LoopOptions(), rounds=2, **other)


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"round_hours": 0.0}])
def test_no_rounds_and_no_hours_are_refused(wrong):
    with pytest.raises(InputError, match="give 1 or more, and above 0"):
        configured(LoopOptions(), **wrong)
