"""The agent that knows what earlier tests teach, and how long is left."""

import numpy as np
import pytest
import torch
from copybandit.agents.agent import Expectation, Worth
from copybandit.agents.horizon import ArchivePrior, believe
from copybandit.agents.models.hierarchical import HierarchicalCounts
from copybandit.agents.models.posterior import Prior
from copybandit.agents.registry import make_agent

PRIOR = ArchivePrior(level=-4.0, level_variance=0.5, trust=0.8, spread=0.05)
CPU = torch.device("cpu")


def model(arms: int = 3, rows: int = 0, largest: float = 1.0) -> HierarchicalCounts:
    return HierarchicalCounts(arms, CPU, largest, PRIOR, rows)


def shown(learner: HierarchicalCounts, trials: list[float], rewards: list[float]) -> None:
    arms = torch.arange(len(trials))
    learner.learn(torch.zeros(len(trials), 1), arms, torch.tensor(trials), torch.tensor(rewards))


def test_belief_is_that_of_the_replay() -> None:
    learner = model()
    shown(learner, [4000.0, 2000.0, 1000.0], [80.0, 50.0, 15.0])
    counts = np.array([4000.0, 2000.0, 1000.0]), np.array([80.0, 50.0, 15.0])
    at = None
    for _ in range(20):
        at = believe(PRIOR, np.zeros(3), *counts, np.array([0]), at)
    assert at is not None
    found = learner.posterior(torch.zeros(1, 1), torch.arange(3))
    assert found.mean[0].numpy() == pytest.approx(at.mean, abs=1e-5)
    assert found.deviation[0].numpy() == pytest.approx(np.sqrt(at.variance), abs=1e-5)


def test_arms_stand_by_each_other_and_by_the_level() -> None:
    learner = model()
    shown(learner, [50_000.0, 50_000.0, 0.0], [2500.0, 2500.0, 0.0])
    mean = learner.worth(learner.posterior(torch.zeros(1, 1), torch.arange(3)).mean)[0]
    assert mean[2] == pytest.approx(0.05, rel=0.1)


def test_what_is_expected_is_the_mean_of_the_belief_and_is_believed_the_longer_the_stronger_it_is() -> None:
    spread = []
    for strength in (50.0, 5000.0):
        learner = model()
        learner.expect(learner.prior(torch.tensor([0.01, 0.02, 0.03]), strength))
        found = learner.posterior(torch.zeros(1, 1), torch.arange(3))
        assert learner.worth(found.mean)[0].tolist() == pytest.approx([0.01, 0.02, 0.03], rel=1e-3)
        spread.append(found.deviation[0, 0].item())
        shown(learner, [2000.0, 2000.0, 2000.0], [60.0, 40.0, 20.0])
        first, _, last = learner.posterior(torch.zeros(1, 1), torch.arange(3)).mean[0]
        assert (first > last) == (strength == 50.0)
    # After 50 trials at a rate of 1% log-odds have a variance of 1 / (50 * 0.01 * 0.99).
    assert spread[0] == pytest.approx((1 / (50 * 0.01 * 0.99)) ** 0.5, rel=1e-3)


def test_deviations_shrink_with_the_visits_that_are_left() -> None:
    learner, whole = model(rows=100), model()
    for part in (learner, whole):
        shown(part, [1.0] * 3, [0.0] * 3)
        part.learn(torch.zeros(72, 1), torch.zeros(72, dtype=torch.long), torch.ones(72), torch.zeros(72))
    a, b = (part.posterior(torch.zeros(1, 1), torch.arange(3)).deviation for part in (learner, whole))
    torch.testing.assert_close(a, 0.25 * b)
    learner.learn(torch.zeros(60, 1), torch.zeros(60, dtype=torch.long), torch.ones(60), torch.zeros(60))
    assert (learner.posterior(torch.zeros(1, 1), torch.arange(3)).deviation == 0).all()


def test_a_new_arm_begins_with_what_is_known_of_the_one_it_follows() -> None:
    learner = model()
    shown(learner, [3000.0, 3000.0, 3000.0], [30.0, 60.0, 90.0])
    known = learner.belief(torch.tensor([2]))
    assert isinstance(known, Prior)
    learner.add_arms(1, known)
    mean = learner.posterior(torch.zeros(1, 1), torch.arange(4)).mean[0]
    assert mean[3] > mean[1]


def test_an_agent_is_made_with_a_prior_and_a_number_of_visits() -> None:
    made = make_agent(
        "horizon-ts",
        arms=2,
        slots=2,
        width=0,
        worth=Worth(torch.ones(1, 2)),
        generator=torch.Generator().manual_seed(0),
        prior=PRIOR,
        visits=500,
        scale=0.2,
    )
    made.expect(Expectation(torch.tensor([0.02, 0.01])))
    tensors = made.state_dict()
    assert tensors["model.rows"] == 1000
    assert tensors["model.prior"][1:].tolist() == [0.5, 0.8, 0.05, 0.0]
    assert made.settings == {"scale": 0.2}
