"""A minimum exposure: what is possible by hand, what every agent keeps to, and that propensities stay exact."""

import dataclasses

import pytest
import torch
from copybandit.agents.agent import Worth
from copybandit.agents.exposure import MinimumExposure
from copybandit.agents.registry import AGENTS, KINDS, agent_for
from copybandit.agents.state import load_agent, save_agent
from copybandit.agents.traffic.options import TrafficOptions
from copybandit.agents.traffic.units import Units, largest_minimum
from copybandit.simulation.data.errors import InputError

from .conftest import ARMS, WIDTH, build, respond, visits

ALL = torch.arange(ARMS)
PRODUCTS = ["a", "a", "b", "c", "d", "e"]
"""Of the arms; arm 2, which everybody likes best, is product b."""
EACH = Units("product", {})
ATTENTION = torch.tensor([1.0, 0.6])


def served(agent, rounds=40, batch=64):
    """[U] share of what was looked at that each product had."""
    names = sorted(set(PRODUCTS))
    unit = torch.tensor([names.index(product) for product in PRODUCTS])
    total = torch.zeros(len(names), dtype=torch.float64)
    for i in range(rounds):
        come = visits(batch, seed=i)
        decision = agent.act(come, ALL)
        looked = ATTENTION[: agent.slots].double().expand(decision.slates.shape)
        total.index_add_(0, unit[decision.slates].flatten(), looked.flatten())
        agent.update(decision.answer(respond(come, decision.slates, i, agent.agent.worth.examination)))
    return total / total.sum()


@pytest.mark.parametrize(
    ("counts", "attention", "most"),
    [
        ([1, 1, 1, 1], [1.0, 0.6], 1 / 4),
        ([3, 3], [1.0, 0.6], 1 / 2),
        # The lone creative could have the better slot, 1 of 1.6; two units can have a half each.
        ([1, 5], [1.0, 0.6], 1 / 2),
        # Of three slots alike the lone creative has one at most.
        ([1, 5], [1.0, 1.0, 1.0], 1 / 3),
        # Two lone creatives have the slots of 1 and .5 at best, half of 1.5 / 2 each.
        ([9, 1, 1], [1.0, 0.5, 0.5], 1 / 3),
        ([9, 1, 1], [0.6, 0.6, 0.6, 0.6], 1 / 4),
    ],
)
def test_the_largest_minimum_by_hand(counts, attention, most):
    assert largest_minimum(counts, attention) == pytest.approx(most)


def test_a_minimum_that_cannot_be_is_refused_with_the_largest_that_can():
    with pytest.raises(InputError, match=r"--min-exposure 0.3: 5 products .* the largest they can is 0.2$"):
        EACH.check(0.3, PRODUCTS, [[1.0, 0.6]])
    EACH.check(0.2, PRODUCTS, [[1.0, 0.6]])
    with pytest.raises(InputError, match=r"0\.3333"):
        Units("category", dict.fromkeys("ab", "x")).check(0.34, ["a", "b", "c", "d"], [[1.0]])
    for wrong in (0.0, 1.5, float("nan")):
        with pytest.raises(InputError, match="give a share"):
            MinimumExposure(build("linucb"), wrong, EACH, PRODUCTS)
    with pytest.raises(InputError, match="--min-exposure 2: give a share from 0 to 1"):
        TrafficOptions(min_exposure=2.0)
    with pytest.raises(InputError, match="labels know none"):
        MinimumExposure(build("linucb"), 0.1, EACH, PRODUCTS, "segment")


@pytest.mark.parametrize("name", [name for name in AGENTS if name != "random"])
def test_every_agent_keeps_to_the_minimum(name):
    share = served(MinimumExposure(build(name), 0.1, EACH, PRODUCTS))
    assert share.min() > 0.1 * 0.98


def test_without_it_the_best_takes_more_from_the_others():
    with_, without = (MinimumExposure(build("linucb"), least, EACH, PRODUCTS) for least in (0.1, 1e-9))
    shares = served(with_), served(without)
    assert shares[1].min() < 0.05 < shares[0].min()
    assert shares[1][1] >= shares[0][1]  # product b


def test_favour_by_hand():
    """Of 6.4 looks product d had none, c .3 of its share and the others more than enough; the aim is .1 * 1.05."""
    agent = MinimumExposure(build("linucb"), 0.1, EACH, PRODUCTS)
    assert agent.favour(visits(2), ALL) is None
    aim = 0.1 * 1.05
    agent.looks[0, 0] = torch.tensor([3.0, 3.0, 0.3 * 6.4 * aim, 0.0, 1.0]).double()
    agent.looks[1, 0] = 6.4
    favour = agent.favour(visits(2), ALL)
    assert favour is not None
    assert favour[0].tolist() == pytest.approx([0, 0, 0, 0.7 * 40, 40, 0], rel=1e-5)
    assert torch.equal(favour[0], favour[1])
    assert agent.figures() == {"least_exposure": 0.0, "below_minimum": 2.0}


def test_looks_are_counted_where_a_unit_could_be_shown():
    agent = MinimumExposure(build("random"), 0.1, EACH, PRODUCTS)
    agent.act(visits(10), torch.tensor([0, 2, 3]))
    assert agent.looks[1, 0].tolist() == pytest.approx([16.0, 16.0, 16.0, 0.0, 0.0])
    opened = torch.tensor([True, True, True, False, False, False]).expand(10, -1)
    agent.act(visits(10), ALL, opened)
    assert agent.looks[1, 0].tolist() == pytest.approx([32.0, 32.0, 16.0, 0.0, 0.0])
    assert agent.looks[0].sum() == pytest.approx(32.0)


def test_each_channel_keeps_its_own_account():
    worth = Worth(torch.tensor([[1.0, 0.6], [1.0, 0.2]]))
    agent = MinimumExposure(build("linucb", worth=worth), 0.1, EACH, PRODUCTS, "channel")
    for i in range(40):
        come = visits(64, seed=i)
        come = dataclasses.replace(come, channel=torch.arange(64) % 2)
        decision = agent.act(come, ALL)
        agent.update(decision.answer(respond(come, decision.slates, i, worth.examination)))
    share = agent.looks[0] / agent.looks[1]
    assert share.shape == (2, 5) and share.min() > 0.098


@pytest.mark.parametrize("kind", [kind for kind, made in KINDS.items() if made.rule.exact])
def test_propensities_are_those_of_the_choice_that_was_made(kind):
    """A thousand visitors alike, favoured alike: what a creative's propensity says is how often it is chosen."""
    agent = MinimumExposure(build(kind, slots=1), 0.1, EACH, PRODUCTS)
    served(agent, rounds=5)
    agent.looks[0, 0, 3] = 0.0975 * agent.looks[1, 0, 3]
    one = visits(1)
    many = one[torch.zeros(1000, dtype=torch.int64)]
    found = torch.stack(
        [agent.estimate_propensities(one, ALL, torch.tensor([[arm]])).propensities[0, 0] for arm in range(ARMS)]
    )
    assert found.sum() == pytest.approx(1.0, abs=1e-4)
    decision = agent.act(many, ALL)
    assert decision.propensities is not None
    assert torch.allclose(decision.propensities[:, 0], found[decision.slates[:, 0]], atol=1e-4)
    often = torch.bincount(decision.slates[:, 0], minlength=ARMS) / 1000
    assert torch.allclose(often, found, atol=0.06)


def test_who_has_no_exact_propensities_says_so():
    agent = MinimumExposure(build("lints", slots=1), 0.1, EACH, PRODUCTS)
    served(agent, rounds=3)
    assert agent.act(visits(4), ALL).propensities is None
    assert agent.estimate_propensities(visits(4), ALL, torch.zeros(4, 1, dtype=torch.int64)).method == "quadrature"


def test_new_arms_and_saving(tiny_world, tmp_path):
    candidates = tiny_world.publish(tiny_world.catalog.ads[:6])
    options = TrafficOptions(min_exposure=0.2, min_exposure_of="category", min_exposure_within="segment")
    agent = agent_for(tiny_world, "linucb", traffic=options)
    assert isinstance(agent, MinimumExposure) and agent.looks.shape == (2, 2, 1)
    agent.act(tiny_world.visitors(50), candidates)
    tiny_world.publish(tiny_world.catalog.ads[6:])
    agent.add_arms(5)
    assert agent.looks.shape == (2, 2, 2) and agent.unit.tolist() == [0] * 6 + [1] * 5
    agent.add_successors(torch.tensor([6]))
    assert agent.unit[-1] == 1
    save_agent(agent, tmp_path / "agent")
    again = load_agent(tmp_path / "agent")
    assert isinstance(again, MinimumExposure) and torch.equal(again.looks, agent.looks)
    come = tiny_world.visitors(30)
    assert torch.equal(agent.act(come, agent.on_show).slates, again.act(come, again.on_show).slates)
    assert again.settings() == agent.settings()


def test_uniform_placement_is_left_as_it_is(tiny_world):
    tiny_world.publish(tiny_world.catalog.ads)
    assert not isinstance(agent_for(tiny_world, "random", traffic=TrafficOptions(min_exposure=0.1)), MinimumExposure)
    with pytest.raises(InputError, match=r"the largest they can is 0\.25"):
        agent_for(tiny_world, "linucb", traffic=TrafficOptions(min_exposure=0.5))


def test_a_network_is_favoured_in_logits():
    agent = build("sb3-a2c", slots=1)
    come = visits(3)
    favour = torch.zeros(3, ARMS)
    favour[:, 4] = 50.0
    assert WIDTH and agent.act(come, ALL, favour=favour).slates.flatten().tolist() == [4, 4, 4]
