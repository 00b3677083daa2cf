"""Our estimators against those of the Open Bandit Pipeline on the same arrays, where it is installed: `make parity`."""

import numpy as np
import pytest
from copybandit.experiments.analysis.off_policy import estimators, slate_estimators
from copybandit.experiments.analysis.off_policy.estimators import slope
from copybandit.experiments.analysis.statistics.moments import Moments

ope = pytest.importorskip("obp.ope", reason="obp is not installed; make parity runs this")

SAME = {"abs": 1e-6, "rel": 1e-6}
LAMBDAS = [1.0, 2.0, 4.0, 8.0, 100.0]


@pytest.fixture(scope="module")
def log() -> dict[str, np.ndarray]:
    """3,000 rounds of 5 actions in 3 positions."""
    rng = np.random.default_rng(0)
    n, actions, positions = 3000, 5, 3
    pi_b = rng.dirichlet(np.ones(actions), n)
    action = (pi_b.cumsum(1) < rng.random((n, 1))).sum(1)
    return {
        "reward": (rng.random(n) < 0.1 + 0.1 * action).astype(float),
        "action": action,
        "position": rng.integers(0, positions, n),
        "pscore": pi_b[np.arange(n), action],
        "action_dist": rng.dirichlet(np.ones(actions), (n, positions)).transpose(0, 2, 1),
        "estimated_rewards_by_reg_model": rng.random((n, actions, positions)),
    }


@pytest.fixture(scope="module")
def ours(log) -> dict[str, np.ndarray]:
    rows = np.arange(len(log["reward"]))
    policy, model = (log[name][rows, :, log["position"]] for name in ("action_dist", "estimated_rewards_by_reg_model"))
    return {
        "reward": log["reward"],
        "weight": policy[rows, log["action"]] / log["pscore"],
        "predicted": model[rows, log["action"]],
        "expected": (policy * model).sum(1),
    }


def pick(ours: dict[str, np.ndarray], *names: str) -> list[np.ndarray]:
    return [ours[name] for name in names]


SINGLE = ("reward", "weight")
DOUBLE = (*SINGLE, "predicted", "expected")


@pytest.mark.parametrize(
    ("theirs", "function", "names"),
    [
        (lambda: ope.InverseProbabilityWeighting(), estimators.ips, SINGLE),
        (lambda: ope.InverseProbabilityWeighting(lambda_=2.0), lambda r, w: estimators.clipped_ips(r, w, 2.0), SINGLE),
        (lambda: ope.SelfNormalizedInverseProbabilityWeighting(), estimators.snips, SINGLE),
        (lambda: ope.DirectMethod(), estimators.dm, ("expected",)),
        (lambda: ope.DoublyRobust(), estimators.dr, DOUBLE),
        (lambda: ope.SwitchDoublyRobust(lambda_=2.0), lambda *a: estimators.switch_dr(*a, 2.0), DOUBLE),
        (lambda: ope.DoublyRobustWithShrinkage(lambda_=3.0), lambda *a: estimators.dros(*a, 3.0), DOUBLE),
    ],
)
def test_single_decisions(log, ours, theirs, function, names):
    assert function(*pick(ours, *names)).mean() == pytest.approx(theirs().estimate_policy_value(**log), **SAME)


@pytest.mark.parametrize(
    ("theirs", "function", "names"),
    [
        ("InverseProbabilityWeightingTuning", estimators.clipped_ips, SINGLE),
        ("SwitchDoublyRobustTuning", estimators.switch_dr, DOUBLE),
        ("DoublyRobustWithShrinkageTuning", estimators.dros, DOUBLE),
    ],
)
def test_slope(log, ours, theirs, function, names):
    tuner = getattr(ope, theirs)(lambdas=LAMBDAS, tuning_method="slope")
    value = tuner.estimate_policy_value_with_tuning(**log)
    values = np.stack([function(*pick(ours, *names), parameter) for parameter in LAMBDAS], axis=1)
    taken = slope(Moments.of(values))
    assert LAMBDAS[taken] == tuner.best_hyperparam
    assert values[:, taken].mean() == pytest.approx(value, **SAME)


def test_replay_of_a_deterministic_policy(log):
    chosen = np.eye(5)[np.zeros(len(log["reward"]), int)][:, :, None].repeat(3, 2)
    kept = (log["action"] == 0).astype(float)
    theirs = ope.ReplayMethod().estimate_policy_value(**(log | {"action_dist": chosen}))
    assert estimators.replayed_reward(log["reward"], kept).mean() == pytest.approx(theirs, **SAME)


@pytest.fixture(scope="module")
def slates() -> dict[str, np.ndarray]:
    """1,000 slates of 3 slots, 4 actions each slot; probabilities as obp takes them, joint down to each slot."""
    rng = np.random.default_rng(1)
    n, slots, actions = 1000, 3, 4
    own, theirs = rng.dirichlet(np.ones(actions), (2, n, slots))
    action = (theirs.cumsum(2) < rng.random((n, slots, 1))).sum(2)
    chain = [np.take_along_axis(p, action[:, :, None], 2)[..., 0] for p in (own, theirs)]
    return {
        "reward": (rng.random((n, slots)) < 0.3).astype(float),
        "action": action,
        "own": own,
        "chain_e": chain[0],
        "chain_b": chain[1],
        "q_hat": rng.random((n, slots, actions)),
    }


@pytest.mark.parametrize(
    ("theirs", "function"),
    [
        ("SlateIndependentIPS", slate_estimators.iips),
        ("SlateRewardInteractionIPS", slate_estimators.rips),
        ("SelfNormalizedSlateIndependentIPS", slate_estimators.self_normalised_iips),
        ("SelfNormalizedSlateRewardInteractionIPS", slate_estimators.self_normalised_rips),
    ],
)
def test_slates(slates, theirs, function):
    n, slots = slates["reward"].shape
    item = {
        "pscore_item_position": slates["chain_b"],
        "evaluation_policy_pscore_item_position": slates["chain_e"],
        "pscore_cascade": slates["chain_b"].cumprod(1),
        "evaluation_policy_pscore_cascade": slates["chain_e"].cumprod(1),
    }
    value = getattr(ope, theirs)(len_list=slots).estimate_policy_value(
        slate_id=np.arange(n).repeat(slots),
        reward=slates["reward"].ravel(),
        position=np.tile(np.arange(slots), n),
        **{name: column.ravel() for name, column in item.items()},
    )
    weight = slates["chain_e"] / slates["chain_b"]
    assert function(slates["reward"], weight).sum(1).mean() == pytest.approx(value, **SAME)


def test_cascade_dr(slates):
    n, slots = slates["reward"].shape
    value = ope.SlateCascadeDoublyRobust(len_list=slots, n_unique_action=4).estimate_policy_value(
        slate_id=np.arange(n).repeat(slots),
        action=slates["action"].ravel(),
        reward=slates["reward"].ravel(),
        position=np.tile(np.arange(slots), n),
        pscore_cascade=slates["chain_b"].cumprod(1).ravel(),
        evaluation_policy_pscore_cascade=slates["chain_e"].cumprod(1).ravel(),
        q_hat=slates["q_hat"].ravel(),
        evaluation_policy_action_dist=slates["own"].ravel(),
    )
    predicted = np.take_along_axis(slates["q_hat"], slates["action"][:, :, None], 2)[..., 0]
    expected = (slates["own"] * slates["q_hat"]).sum(2)
    found = slate_estimators.cascade_dr(slates["reward"], slates["chain_e"] / slates["chain_b"], predicted, expected)
    assert found.sum(1).mean() == pytest.approx(value, **SAME)
