"""What is asked of every agent alike."""

import dataclasses

import pytest
import torch
from copybandit.agents.checked import Serving
from copybandit.agents.registry import DEEP, KINDS
from copybandit.agents.rules import Thompson
from copybandit.agents.state import load_agent, save_agent
from copybandit.agents.traffic.delay import Delayed
from copybandit.agents.traffic.frequency import FrequencyCap
from copybandit.agents.traffic.pacing import Paced, Prices
from copybandit.simulation.data.errors import InputError

from .conftest import ARMS, build, chances, respond, serve, visits

# Softmax and inverse gaps explore for ever; so does epsilon-greedy.
SHARE = {"random": 0.0, "softmax": 0.6, "squarecb": 0.6, "ucb1": 0.6}


def test_finds_the_best_arm(name):
    slates = serve(build(name, slots=1), 60)
    late = chances(slates[-640:]).mean().item()
    uniform = (0.9 + 0.1 * (ARMS - 1)) / ARMS
    assert (late - uniform) / (0.9 - uniform) > SHARE.get(name, 0.8) - (0.1 if name == "random" else 0)


def test_same_seed_same_choices(name):
    assert torch.equal(serve(build(name, seed=3), 6), serve(build(name, seed=3), 6))


def test_other_seed_other_choices(name):
    assert not torch.equal(serve(build(name, seed=3), 6), serve(build(name, seed=4), 6))


def test_slates_are_distinct_candidates(name):
    candidates = torch.tensor([5, 1, 3])
    slates = serve(build(name), 5, candidates=candidates)
    assert torch.isin(slates, candidates).all()
    assert (slates[:, 0] != slates[:, 1]).all()


@pytest.mark.parametrize("floor", [0.0, 0.05])
def test_propensities_match_frequencies(name, floor):
    agent = build(name, serving=Serving(floor=floor))
    serve(agent, 4, batch=16)
    n, candidates = 200_000, torch.arange(ARMS)
    come = visits(1)[torch.zeros(n, dtype=torch.int64)]
    decision = agent.act(come, candidates)
    code = decision.slates[:, 0] * ARMS + decision.slates[:, 1]
    kinds, first, count = _first_of_each(code)
    estimate = agent.estimate_propensities(come[first], candidates, decision.slates[first], draws=4096)
    joint = estimate.propensities.prod(1)
    if decision.propensities is not None:
        torch.testing.assert_close(estimate.propensities, decision.propensities[first], rtol=1e-3, atol=1e-5)
    # Five standard errors of a frequency, and of the estimate where it was drawn.
    slack = 5 * (joint * (1 - joint) / n).sqrt() + 5 * estimate.error.sum(1) + 2e-4
    assert ((count / n - joint).abs() < slack).all(), kinds


def test_propensities_are_floored(name):
    agent = build(name, serving=Serving(floor=0.08))
    serve(agent, 10)
    decision = agent.act(visits(200, seed=99), torch.arange(ARMS))
    given = agent.estimate_propensities(visits(200, seed=99), torch.arange(ARMS), decision.slates, draws=64)
    assert given.propensities.min() >= 0.08 - 1e-6


def _first_of_each(code):
    kinds, inverse, count = code.unique(return_inverse=True, return_counts=True)
    first = torch.zeros(len(kinds), dtype=torch.int64)
    first[inverse.flip(0)] = torch.arange(len(code)).flip(0)
    return kinds, first, count


@pytest.mark.parametrize("serving", [Serving(), Serving(discount=0.999, window=100)], ids=["plain", "forgetful"])
def test_goes_on_after_saving(name, serving, tmp_path):
    if name in DEEP and serving != Serving():
        with pytest.raises(InputError, match="discount"):
            build(name, serving=serving)
        return
    agent = build(name, serving=serving)
    serve(agent, 6)
    save_agent(agent, tmp_path / "agent")
    other = load_agent(tmp_path / "agent")
    assert torch.equal(serve(agent, 6, start=6), serve(other, 6, start=6))


def test_open_decisions_survive_saving(name, tmp_path):
    agent = build(name)
    come = visits(8)
    decision = agent.act(come, torch.arange(ARMS))
    save_agent(agent, tmp_path / "agent")
    other = load_agent(tmp_path / "agent")
    answer = decision.answer(respond(come, decision.slates))
    other.update(answer)
    with pytest.raises(InputError, match="decisions"):
        other.update(answer)


def test_new_arms_are_found_and_nothing_is_forgotten(bandit):
    agent = build(bandit, arms=2, slots=1)
    serve(agent, 30)
    before = {k: v.clone() for k, v in agent.model.tensors().items() if v.dim() and len(v) == 2}
    features = torch.cat([torch.ones(1, 1), torch.eye(6)[2:3]], 1) if bandit.startswith(("shared", "hybrid")) else None
    agent.add_arms(1, features=None if features is None else features)
    for k, v in before.items():
        if len(agent.model.tensors()[k]) == 3:
            assert torch.equal(agent.model.tensors()[k][:2], v)
    late = serve(agent, 60, start=100)[-320:]
    least = 1 / 3 - 0.1 if bandit in ("random", "softmax", "squarecb", "ucb1") else 0.7
    assert (late == 2).float().mean() > least


def test_successors_are_new_arms_that_can_be_shown(name):
    agent = build(name, slots=1)
    come = visits(8)
    agent.update(respond(come, agent.act(come, torch.arange(ARMS)).slates))
    agent.add_successors(torch.tensor([2, 0]))
    assert agent.arms == ARMS + 2
    shown = agent.act(visits(200), torch.tensor([ARMS, ARMS + 1])).slates
    assert set(shown.unique().tolist()) <= {ARMS, ARMS + 1}


def test_removed_arms_are_refused_and_late_feedback_is_not(name):
    agent = build(name)
    come = visits(8)
    decision = agent.act(come, torch.arange(ARMS))
    agent.remove_arms(torch.tensor([1]))
    agent.update(decision.answer(respond(come, decision.slates)))
    with pytest.raises(InputError, match="candidates"):
        agent.act(come, torch.arange(ARMS))
    agent.act(come, torch.tensor([0, 2, 3]))


def test_window_forgets_all_that_is_older(bandit):
    """After a window's worth of new rows an agent knows what one knows that saw only these."""
    if bandit == "neural-linear":
        pytest.skip("its network keeps what it was trained on")
    old, new = build(bandit, serving=Serving(window=64)), build(bandit, serving=Serving(window=64))
    serve(old, 5)
    replay(old, 2)
    replay(new, 2)
    if bandit == "logistic-ts":
        return  # where its likelihood is expanded depends on what it knew then
    for key, value in old.model.tensors().items():
        if key == "seen":
            continue  # how many visits came, which is no knowledge
        torch.testing.assert_close(value, new.model.tensors()[key], rtol=1e-4, atol=1e-4)


def replay(agent, rounds):
    for i in range(rounds):
        come = visits(32, seed=1000 + i)
        slates = torch.stack([torch.arange(32) % ARMS, (torch.arange(32) + 1) % ARMS], 1)
        agent.update(respond(come, slates, i))


def test_the_same_on_every_device(name, device):
    agent = build(name, device=device)
    slates = serve(agent, 3)
    assert slates.device.type == device
    if name in KINDS:
        tables = {key: value for key, value in agent.model.tensors().items() if key != "counters"}
        assert all(value.device.type == device for value in tables.values())


def test_exactness_is_declared(bandit):
    agent = build(bandit)
    decision = agent.act(visits(4), torch.arange(ARMS))
    assert (decision.propensities is None) == isinstance(agent.rule, Thompson)


def test_what_is_closed_to_a_visitor_is_not_shown(name):
    agent = build(name)
    serve(agent, 3)
    opened = torch.rand(400, ARMS, generator=torch.Generator().manual_seed(1)) < 0.5
    opened[:, :2] |= opened.sum(1, keepdim=True) < 2
    come, candidates = visits(400, seed=5), torch.tensor([3, 1, 0, 2, 5, 4])
    decision = agent.act(come, candidates, opened)
    mine = torch.zeros(400, ARMS, dtype=torch.bool).scatter(1, candidates.expand(400, -1), opened)
    assert mine.gather(1, decision.slates).all()
    if decision.propensities is not None:
        given = agent.estimate_propensities(come, candidates, decision.slates, opened=opened)
        torch.testing.assert_close(given.propensities, decision.propensities, rtol=1e-3, atol=1e-5)
    agent.update(decision.answer(respond(come, decision.slates)))


@pytest.mark.parametrize("opened", [torch.ones(3, ARMS, dtype=torch.bool), torch.zeros(4, ARMS, dtype=torch.bool)])
def test_masks_that_do_not_fit_are_refused(name, opened):
    with pytest.raises(InputError, match="opened"):
        build(name).act(visits(4), torch.arange(ARMS), opened)


def test_what_is_believed_of_visitors_comes_near_what_they_are_worth(name):
    """The best slate earns .9 on top and .06 below; who explores for ever believes so too."""
    agent = build(name)
    serve(agent, 150)
    come = visits(64, seed=999)
    value = agent.expected_worth(come, torch.arange(ARMS))
    assert value.shape == (64,)
    assert value.mean().item() == pytest.approx(0.96, abs=0.15)
    worse = agent.expected_worth(come, torch.tensor([0, 1, 3]))
    if name in KINDS:
        assert worse.mean().item() == pytest.approx(0.16, abs=0.12)


def test_wrappers_around_it_are_saved_too(name, tmp_path):
    """All of them: a budget, a cap a day, and conversions that come late; it goes on as if it had not stopped."""
    prices = Prices(torch.tensor([0.01]), torch.tensor([0.02]))
    agent = Paced(FrequencyCap(Delayed(build(name), 3.0, 2.0), users=3, most=40), 5.0, 1000, prices)
    wrapped(agent, 0, 8)
    save_agent(agent, tmp_path / "agent")
    other = load_agent(tmp_path / "agent")
    assert [type(part).__name__ for part in (other, other.agent, other.agent.agent)] == [
        "Paced",
        "FrequencyCap",
        "Delayed",
    ]
    assert torch.equal(wrapped(agent, 8, 16), wrapped(other, 8, 16))


def wrapped(agent, start, end):
    shown = []
    for i in range(start, end):
        come = visits(16, seed=i)
        come = dataclasses.replace(come, user=torch.arange(16) % 3, hours=torch.full((16,), float(i)).double())
        decision = agent.act(come, torch.arange(ARMS))
        shown.append(decision.slates)
        if len(decision.slates):
            agent.update(decision.answer(respond(come[decision.bought], decision.slates, i)))
    return torch.cat(shown)


ONE_OR_MANY = pytest.mark.parametrize(("n", "slots"), [(1, 1), (8, 1), (8, 2)])
NAN = float("nan")


def told(agent, n, seed=0):
    """Visits, a decision for them, and clicks and conversions of every slot as 0."""
    come = visits(n, seed=seed)
    decision = agent.act(come, torch.arange(ARMS))
    return come, decision, torch.zeros(decision.slates.shape), torch.zeros(decision.slates.shape)


def learned(agent):
    return {key: value.clone() for key, value in agent.model.tensors().items()}


def unchanged(agent, before):
    return all(torch.equal(value, before[key]) for key, value in agent.model.tensors().items())


@ONE_OR_MANY
def test_what_is_not_known_yet_is_not_learned_from_and_may_come_later(bandit, n, slots):
    agent, other = build(bandit, slots=slots), build(bandit, slots=slots)
    come, decision, clicked, converted = told(agent, n)
    _, same, *_ = told(other, n)
    before = learned(agent)
    agent.update(decision.answered(come, clicked * NAN))
    agent.update(decision.answered(come, clicked + 1, converted * NAN))
    assert unchanged(agent, before)
    answer = clicked.clone()
    answer[n // 2, 0] = 1
    agent.update(decision.answered(come, answer))
    other.update(same.answered(come, answer))
    assert unchanged(agent, learned(other))
    with pytest.raises(InputError, match="came twice"):
        agent.update(decision.answered(come, answer))


def test_one_unknown_outcome_holds_back_its_own_visit_only(bandit):
    agent, other = build(bandit), build(bandit)
    come, decision, clicked, _ = told(agent, 8)
    told(other, 8)
    clicked[:, 0], clicked[5, 1] = 1, NAN
    answer = decision.answered(come, clicked)
    agent.update(answer)
    rest = torch.tensor([i for i in range(8) if i != 5])
    other.update(answer[rest])
    assert unchanged(agent, learned(other))
    answer.clicked[5, 1] = 0
    agent.update(answer[torch.tensor([5])])


@ONE_OR_MANY
@pytest.mark.parametrize(
    ("click", "convert", "what"),
    [(0.5, 0, "clicked"), (-1, 0, "clicked"), (1, -1, "converted"), (1, torch.inf, "conv")],
)
def test_outcomes_that_cannot_be(bandit, n, slots, click, convert, what):
    agent = build(bandit, slots=slots)
    come, decision, clicked, converted = told(agent, n)
    before = learned(agent)
    clicked[n // 2, 0], converted[n // 2, 0] = click, convert
    with pytest.raises(InputError, match=rf"feedback\.{what}.*NaN where it is not known"):
        agent.update(decision.answered(come, clicked, converted))
    assert unchanged(agent, before)
    agent.update(decision.answered(come, clicked.clamp(0, 1).round(), converted * 0))


@ONE_OR_MANY
@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float64])
def test_outcomes_of_any_type_are_the_same(bandit, n, slots, kind):
    agent, other = build(bandit, slots=slots), build(bandit, slots=slots)
    come, decision, clicked, converted = told(agent, n)
    told(other, n)
    clicked[:, 0] = converted[n // 2, 0] = 1
    agent.update(decision.answered(come, clicked.to(kind), converted.to(kind)))
    other.update(decision.answered(come, clicked, converted))
    assert unchanged(agent, learned(other))


@ONE_OR_MANY
@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.int64])
def test_contexts_of_any_type_are_the_same(bandit, n, slots, kind):
    """The features are zeros and ones, which every type holds."""
    agent, other = build(bandit, slots=slots), build(bandit, slots=slots)
    come = visits(n)
    cast = dataclasses.replace(come, context=come.context.to(kind))
    for _ in range(2):
        decision, same = agent.act(cast, torch.arange(ARMS)), other.act(come, torch.arange(ARMS))
        assert torch.equal(decision.slates, same.slates)
        clicked = torch.ones(decision.slates.shape)
        agent.update(decision.answered(cast, clicked))
        other.update(same.answered(come, clicked))
    assert unchanged(agent, learned(other))
