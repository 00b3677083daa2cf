"""What is expected of a new creative is where its belief starts, whatever the model."""

import pytest
import torch
from copybandit.agents.agent import Expectation, Worth
from copybandit.simulation.data.errors import InputError

from .conftest import ARMS, WIDTH, build, visits

VALUE = 3.0
WORTH = torch.tensor([0.05, 0.8])


def grown(bandit, trials=1000.0):
    agent = build(bandit, slots=1, arms=2, worth=Worth(torch.ones(1, 1), VALUE))
    agent.add_arms(2, Expectation(WORTH, trials))
    return agent


def constant(n=1):
    come = visits(n)
    come.context[:] = torch.tensor([1.0, *[0.0] * (WIDTH - 1)])
    return come


def believed(agent):
    belief = agent.model.posterior(constant().context, torch.tensor([2, 3]))
    return agent.model.worth(belief.mean)[0], belief.deviation[0]


def test_belief_starts_at_the_expectation(bandit):
    mean, _ = believed(grown(bandit))
    torch.testing.assert_close(mean, WORTH, atol=0.01, rtol=0.0)


def test_more_trials_are_believed_more_firmly(bandit):
    if bandit.startswith("shared"):
        pytest.skip("what arms share is all that it believes; a prior moves where that starts")
    for firm, loose in zip(believed(grown(bandit, 900.0))[1], believed(grown(bandit, 90.0))[1], strict=True):
        assert firm < loose


@pytest.mark.parametrize(("bandit", "width"), [("linucb", 1 / 101**0.5), ("hybrid-lints", None)])
def test_width_by_hand(bandit, width):
    """A hundred trials and the ridge: the constant's variance is 1 / 101."""
    deviation = believed(grown(bandit, 100.0))[1][0].item()
    if width is not None:
        assert deviation == pytest.approx(width, rel=1e-4)
    else:
        assert deviation > 1 / 101**0.5


def test_logistic_prior_by_hand():
    """At a rate of .2 of the largest reward, 4, a trial weighs .2 * .8; log-odds are ln(.2 / .8)."""
    agent = build("logistic-ts", slots=1, arms=2, worth=Worth(torch.ones(1, 1), VALUE))
    prior = agent.model.prior(torch.tensor([0.8]), 50.0)
    torch.testing.assert_close(prior.mean, torch.tensor([-1.3863]), atol=1e-4, rtol=0.0)
    torch.testing.assert_close(prior.strength, torch.tensor([50 * 0.16 + 1.0]))


def test_what_is_expected_to_be_good_is_shown_from_the_start():
    agent = build("lints", slots=1)
    for i in range(30):
        come = visits(32, seed=i)
        decision = agent.act(come, torch.arange(ARMS))
        clicked = decision.slates == 2
        agent.model.learn(come.context, decision.slates[:, 0], torch.ones(32), 0.3 * clicked[:, 0].float())
    agent.add_arms(2, Expectation(torch.tensor([0.6, 0.05]), 200.0))
    slates = agent.act(visits(200, seed=77), torch.arange(ARMS + 2)).slates
    assert (slates == ARMS).float().mean() > 0.9
    assert (slates == ARMS + 1).float().mean() < 0.05


@pytest.mark.parametrize(("worth", "trials"), [(-0.1, 10.0), (float("nan"), 10.0), (0.1, 0.0)])
def test_refusals(worth, trials):
    with pytest.raises(InputError, match="expectation"):
        Expectation(torch.tensor([worth]), trials)
