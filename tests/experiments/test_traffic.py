"""Delays, money, caps and likeness through the one loop, and through `compare`."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from copybandit.agents.agent import Decision
from copybandit.agents.registry import agent_for
from copybandit.agents.traffic.options import TrafficOptions
from copybandit.agents.traffic.pacing import Prices
from copybandit.envs.placement import first_ads
from copybandit.experiments.analysis.drawing.run_files import RunFiles
from copybandit.experiments.analysis.drawing.sections import Section
from copybandit.experiments.analysis.loop.traffic_sections import new_creatives, traffic
from copybandit.experiments.compare import CompareOptions, run_compare
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.placing.cold_start import until_there
from copybandit.experiments.serving.observers import Curve, Likeness, Money, RewardByUser, Showings
from copybandit.experiments.serving.serve import Observer, serve
from copybandit.simulation.data.catalog import Catalog
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.scenario import load_scenario
from copybandit.simulation.world import make_world


class EveryOther:
    """Buys every other visit and shows the first two creatives."""

    def __init__(self):
        self.told = []

    def act(self, impressions, candidates):
        bought = torch.arange(len(impressions)) % 2 == 0
        return Decision(candidates[:2].expand(int(bought.sum()), 2), None, None, bought)

    def update(self, feedback):
        self.told.append(feedback)


class Turns(Observer):
    def __init__(self):
        self.turns, self.answers = [], []

    def shown(self, turn):
        self.turns.append((turn, turn.reward.clone()))

    def answered(self, feedback):
        self.answers.append(feedback)


def test_in_visits_that_are_not_bought_nothing_is_shown_and_nothing_earned(tiny_world):
    candidates = tiny_world.publish(tiny_world.catalog.ads)
    agent, watch, by_user, showings = EveryOther(), Turns(), RewardByUser(tiny_world), Showings(tiny_world)
    serve(tiny_world, agent, candidates, 30, (watch, by_user, showings), batch=10)
    for (turn, reward), answer in zip(watch.turns, watch.answers, strict=True):
        assert reward[1::2].eq(0).all()
        assert reward[::2].gt(0).all()
        assert torch.equal(answer.impressions.user, turn.visits.user[::2])
    assert by_user.total[:, 1].sum() == 30  # all visits count
    assert showings.total.sum() == 15 * 2
    assert by_user.total[:, 0].sum().item() == pytest.approx(sum(float(r.sum()) for _, r in watch.turns))
    assert sum(len(feedback.slates) for feedback in agent.told) == 15


def test_who_buys_nothing_is_told_nothing(tiny_world):
    candidates, agent, curve = tiny_world.publish(tiny_world.catalog.ads), EveryOther(), Curve()
    agent.act = lambda visits, shown: Decision(
        torch.zeros(0, 2, dtype=torch.int64), None, None, torch.zeros(len(visits), dtype=torch.bool)
    )
    serve(tiny_world, agent, candidates, 20, [curve], batch=10)
    assert curve.rewards == [0, 0]
    assert not agent.told


def test_the_oracle_buys_what_brings_most_for_the_money():
    """Worth a unit: 3, 1, 2; with 3 units the first and the third are bought."""
    money = Money(3.0, Prices(torch.ones(1), torch.zeros(1)))
    worth, cost = torch.tensor([3.0, 2.0, 4.0]), torch.tensor([1.0, 2.0, 2.0])
    assert money.affords(worth, cost).tolist() == [True, False, True]


def test_the_oracle_under_a_budget_earns_less(tiny_world):
    candidates = tiny_world.publish(tiny_world.catalog.ads)
    prices = Prices(torch.tensor([0.5, 0.5]), torch.zeros(2))
    rich, poor = Curve(oracle=True), Curve(oracle=True, money=Money(20.0, prices))
    serve(tiny_world, EveryOther(), candidates, 40, [rich, poor], batch=10)
    # A visit costs 2 slots of half a unit: of 40 visits 20 can be paid for, the better half.
    assert 0.5 * np.mean(rich.oracles) <= np.mean(poor.oracles) < np.mean(rich.oracles)


def test_likeness_is_that_of_the_two_most_alike():
    vectors = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    likeness = Likeness(vectors)
    likeness.shown(type("Turn", (), {"slates": torch.tensor([[0, 1, 2], [0, 2, 2]])})())
    assert likeness.mean == pytest.approx((0.8 + 1.0) / 2)


def test_agents_of_a_world_are_wrapped_in_the_order_in_which_things_happen(tiny_world):
    tiny_world.publish(tiny_world.catalog.ads)
    channels = {n: c.model_copy(update={"cost_per_click": 0.1}) for n, c in tiny_world.scenario.channels.items()}
    world = replace(tiny_world, scenario=tiny_world.scenario.model_copy(update={"channels": channels}))
    branded = [replace(product, brand="Harrow") for product in world.catalog.products]
    world.catalog = Catalog(branded, world.catalog.ads)
    options = TrafficOptions("waited", budget=5.0, brand_cap=1, daily_cap=3, most_alike=0.4)
    agent = agent_for(world, "lints", traffic=options, visits=100)
    kinds = [agent.kind, agent.agent.kind, agent.agent.agent.kind]
    assert kinds == ["paced", "delayed", "frequency"]
    assert agent.pacer.horizon == 100
    assert agent.agent.wait == world.scenario.conversion_delay_hours
    inner = agent.agent.agent.agent
    assert (inner.layout.caps[0].most, inner.layout.apart.most) == (1, 0.4)


def test_options_that_a_world_has_no_facts_for_are_refused(tiny_world):
    with pytest.raises(InputError, match="costs nothing"):
        TrafficOptions(budget=5.0).check(tiny_world.scenario, tiny_world.catalog)
    nameless = Catalog([replace(product, brand="") for product in tiny_world.catalog.products])
    with pytest.raises(InputError, match="brand"):
        TrafficOptions(brand_cap=1).check(tiny_world.scenario, nameless)
    at_once = tiny_world.scenario.model_copy(update={"conversion_delay_hours": 0.0})
    with pytest.raises(InputError, match="not delayed"):
        TrafficOptions("ignored").check(at_once, tiny_world.catalog)
    by_itself = tiny_world.scenario.model_copy(update={"click_model": "pbm"})
    with pytest.raises(InputError, match="read independently"):
        TrafficOptions(click_model="independent").check(by_itself, tiny_world.catalog)
    for wrong in ({"budget": 0.0}, {"daily_cap": -1}, {"most_alike": 2.0}):
        with pytest.raises(InputError, match=next(iter(wrong)).replace("_", "-")):
            TrafficOptions(**wrong)


def test_the_wrong_click_model_takes_what_was_not_read_for_not_clicked():
    """In the cascade of `support`, a slot below a click counts for nothing; read independently, as much as it is looked
    at."""
    scenario, catalog = load_scenario("support")
    world = make_world(scenario, catalog.with_queries([]), seed=0, users=20)
    world.publish(first_ads(world.catalog)[:6])
    own, other = (
        agent_for(world, "linucb", traffic=TrafficOptions(click_model=name)).worth for name in ("own", "independent")
    )
    assert (own.going_on, other.going_on) == (0.0, 1.0)
    assert torch.equal(own.examination, other.examination)


def compared(tiny_file, out, **given):
    small = {"agents": "linucb,sb3-a2c", "seeds": 2, "users": 40, "creatives": 4, "impressions": 800, "batch": 100}
    options = configured(CompareOptions(), scenario=str(tiny_file), out=out, device="cpu", **(small | given))
    return run_compare(options)


def test_compare_tells_of_the_traffic(tiny_file, tmp_path):
    path = compared(tiny_file, tmp_path / "run", delay="waited", wait_hours=2.0, daily_cap=1, most_alike=0.5)
    summary = read_json(path / "summary.json")
    assert summary["traffic"] == {"delay": "waited", "wait_hours": 2.0, "daily_cap": 1, "most_alike": 0.5}
    for name in ("random", "linucb", "sb3-a2c"):
        told = summary["agents"][name]["traffic"]
        assert set(told) == {"delay_hours", "conversion_weight", "over_daily_cap", "likeness"}
        assert told["conversion_weight"] > 1
        assert 0 <= told["over_daily_cap"] < 1
    assert "Showings over the daily cap" in (path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_traffic_option_changes_what_is_earned(tiny_file, tmp_path):
    def rewards(name, **given):
        agents = read_json(compared(tiny_file, tmp_path / name, agents="linucb", **given) / "summary.json")["agents"]
        return agents["linucb"]["reward"]["mean"]

    usual = rewards("usual")
    for number, option in enumerate(
        [{"delay": "credited"}, {"delay": "waited"}, {"delay": "ignored"}, {"daily_cap": 1}, {"most_alike": 0.05}]
    ):
        assert rewards(f"run{number}", **option) != usual


def test_until_there_by_hand():
    """It settles at .4; the average of four batches is .32 or more from the seventh on."""
    shares = np.array([0.0, 0.0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4])
    assert until_there(shares) == 7


def test_cold_start_in_the_report(tmp_path):
    interval = {"mean": 500.0, "low": 400.0, "high": 600.0}
    way = {"impressions": interval, "share": interval, "reward": interval}
    run = RunFiles.__new__(RunFiles)
    object.__setattr__(
        run,
        "summary",
        {"cold_start": {"known": way, "unknown": way, "saved": interval, "trials": 50.0, "repeats": 3}},
    )
    section = new_creatives(run)
    assert isinstance(section, Section)
    assert [row[0] for row in section.tables[0].rows] == ["nothing is known of them", "the effect model's word counts"]
    assert traffic(run) is None
