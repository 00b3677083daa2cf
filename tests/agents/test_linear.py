import numpy as np
import pytest
import torch
from copybandit.agents.agent import Worth
from copybandit.agents.models import chunks, linear
from copybandit.agents.models.linear import CLOSE, DisjointLinear, grams, refine
from copybandit.agents.models.logistic import LogisticLinear, working_rows
from copybandit.agents.models.posterior import Prior
from copybandit.agents.models.shared import HybridLinear, SharedLinear
from copybandit.agents.models.widths import Triangle, quadratic_forms
from copybandit.agents.registry import make_agent
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.visitors.traffic import Impressions

CPU = torch.device("cpu")


def textbook(rows, arms, width, ridge=1.0):
    """LinUCB as in the paper, one row at a time in float64: mean weights and inverses."""
    precision, response = np.stack([ridge * np.eye(width)] * arms), np.zeros((arms, width))
    for x, arm, trial, reward in rows:
        precision[arm] += trial * np.outer(x, x)
        response[arm] += reward * x
    inverse = np.linalg.inv(precision)
    return np.einsum("kij,kj->ki", inverse, response), inverse


def random_rows(rng, n, arms, width):
    x = rng.standard_normal((n, width)).astype(np.float32)
    return [(x[i], int(rng.integers(arms)), 0.25 + 0.75 * rng.random(), float(rng.random() < 0.3)) for i in range(n)]


def test_one_update_by_hand():
    # A = I + xx' with x = (1, 1): A^-1 = [[2, -1], [-1, 2]] / 3; b = x; mean = (1/3, 1/3); x'A^-1 x = 2/3.
    model = DisjointLinear(1, 2, CPU)
    x = torch.ones(1, 2)
    model.learn(x, torch.tensor([0]), torch.ones(1), torch.ones(1))
    belief = model.posterior(torch.tensor([[1.0, 1.0], [1.0, -1.0]]), torch.tensor([0]))
    torch.testing.assert_close(belief.mean[:, 0], torch.tensor([2 / 3, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(belief.deviation[:, 0] ** 2, torch.tensor([2 / 3, 2.0]), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("single", [False, True], ids=["batches", "one at a time"])
def test_agrees_with_the_textbook_over_1000_updates(rng, single):
    width, arms = 9, 5
    rows = random_rows(rng, 1000, arms, width)
    model = DisjointLinear(arms, width, CPU)
    if single:
        model.score_one(rows[0][0], None)
        for x, arm, trial, reward in rows:
            model.learn_one(x, arm, trial, reward)
    else:
        for start in range(0, 1000, 50):
            x, arm, trial, reward = map(np.array, zip(*rows[start : start + 50], strict=True))
            model.learn(torch.tensor(x), torch.tensor(arm), torch.tensor(trial).float(), torch.tensor(reward).float())
    mean, inverse = textbook(rows, arms, width)
    probe = rng.standard_normal((20, width)).astype(np.float32)
    belief = model.posterior(torch.tensor(probe), torch.arange(arms))
    np.testing.assert_allclose(belief.mean, probe @ mean.T, atol=1e-4)
    np.testing.assert_allclose(belief.deviation**2, np.einsum("bi,kij,bj->bk", probe, inverse, probe), atol=1e-4)
    if single:
        one = model.score_one(probe[0], None)
        np.testing.assert_allclose(one[0], belief.mean[0], atol=1e-4)
        np.testing.assert_allclose(one[1], belief.deviation[0], atol=1e-4)


@pytest.mark.slow
def test_float32_stays_near_float64_over_a_million_updates(rng):
    width, arms, n = 8, 2, 1_000_000
    model, x = DisjointLinear(arms, width, CPU), rng.standard_normal((n, width)).astype(np.float32)
    arm, reward = rng.integers(arms, size=n).tolist(), (rng.random(n) < 0.1).astype(float).tolist()
    model.score_one(x[0], None)
    for i in range(n):
        model.learn_one(x[i], arm[i], 1.0, reward[i])
    for k in range(arms):
        mine = np.array(arm) == k
        exact = np.eye(width) + x[mine].astype(np.float64).T @ x[mine].astype(np.float64)
        mean = np.linalg.solve(exact, x[mine].astype(np.float64).T @ np.array(reward)[mine])
        score, width_ = model.score_one(x[0], None)
        assert abs(score[k] - x[0] @ mean) < 1e-3
        assert abs(width_[k] - np.sqrt(x[0] @ np.linalg.solve(exact, x[0]))) < 1e-3


@pytest.mark.parametrize("width", [1, 3, 4, 7, 8])
def test_triangle_gives_quadratic_forms(width, generator):
    x = torch.randn(6, width, generator=generator)
    half = torch.randn(3, width, width, generator=generator)
    matrices = half @ half.mT
    triangle = Triangle(width, CPU)
    expected = torch.einsum("bi,kij,bj->kb", x, matrices, x)
    torch.testing.assert_close(triangle.pack(matrices) @ triangle.products(x), expected, rtol=1e-4, atol=1e-4)


def test_places_by_hand(monkeypatch):
    # Chunks of 2: arm 0 takes one and leaves a place, arm 1 none, arm 2 two and leaves a place, arm 3 one.
    monkeypatch.setattr(chunks, "CHUNK", 2)
    place, owner = chunks.places(np.array([0, 2, 2, 2, 3, 3]), 5)
    assert place.tolist() == [0, 2, 3, 4, 6, 7]
    assert owner.tolist() == [0, 2, 2, 3]


@pytest.mark.parametrize("n", [1, 15, 16, 17, 100])
@pytest.mark.parametrize("way", ["in chunks", "in chunks, as on a GPU", "at once"])
def test_grams_sum_outer_products_by_arm(n, way, generator, monkeypatch):
    monkeypatch.setattr(linear, "SMALL", 1 << 20 if way == "at once" else 0)
    if way.endswith("GPU"):
        monkeypatch.setattr(linear, "cut", chunks.cut_without_waiting)
    x, arms = torch.randn(n, 3, generator=generator), torch.randint(4, (n,), generator=generator)
    trials = torch.randn(n, generator=generator)
    expected = torch.zeros(4, 3, 3)
    for i in range(n):
        expected[arms[i]] += trials[i] * torch.outer(x[i], x[i])
    torch.testing.assert_close(grams(x, arms, trials, 4), expected, rtol=1e-4, atol=1e-5)


def test_refined_inverses(generator):
    x = torch.randn(3, 400, 5, generator=generator)
    before = x.mT @ x
    after = before + x[:, :20].mT @ x[:, :20]
    refined = refine(after, torch.linalg.inv(before))
    torch.testing.assert_close(refined, torch.linalg.inv(after), rtol=1e-4, atol=1e-7)
    assert refine(10 * before, torch.linalg.inv(before)) is None


@pytest.mark.parametrize("growth", [1e-5, 1e-3, 0.01, 0.03, 0.07, 0.12])
def test_a_refined_inverse_is_as_close_as_it_says(growth, generator):
    """In float64, where nothing but the steps left out can be seen, in every number of steps."""
    x = torch.randn(4, 60, 5, generator=generator, dtype=torch.float64)
    before, more = x.mT @ x, torch.randn(4, 60, 5, generator=generator, dtype=torch.float64)
    after = before + growth * more.mT @ more
    exact, norm = torch.linalg.inv(after), torch.linalg.matrix_norm
    refined = refine(after, torch.linalg.inv(before))
    assert refined is not None
    assert bool((norm(refined - exact) <= CLOSE * norm(exact)).all())


def test_refined_batches_agree_with_the_textbook(rng):
    width, arms, n = 5, 2, 20_000
    rows = random_rows(rng, n, arms, width)
    x, arm, trial, reward = (torch.tensor(np.array(column)) for column in zip(*rows, strict=True))
    model = DisjointLinear(arms, width, CPU)
    for part in torch.arange(n).split(500):
        model.posterior(x[:1], torch.arange(arms))
        model.learn(x[part], arm[part], trial[part].float(), reward[part].float())
    mean, inverse = textbook(rows, arms, width)
    belief = model.posterior(x[:50], torch.arange(arms))
    np.testing.assert_allclose(belief.mean, x[:50].numpy() @ mean.T, atol=1e-5)
    exact = np.sqrt(np.einsum("bi,kij,bj->bk", x[:50], inverse, x[:50]))
    np.testing.assert_allclose(belief.deviation, exact, rtol=1e-4)


def test_quadratic_forms_of_pairs(generator):
    x, half = torch.randn(40, 3, generator=generator), torch.randn(5, 3, 3, generator=generator)
    matrices = half @ half.mT
    arms = torch.randint(5, (90,), generator=generator).sort().values
    rows = torch.randint(40, (90,), generator=generator)
    expected = torch.einsum("pi,pij,pj->p", x[rows], matrices[arms], x[rows])
    torch.testing.assert_close(quadratic_forms(x, matrices, arms.numpy(), rows.numpy()), expected, rtol=1e-4, atol=1e-5)


def test_widths_of_few_lead_to_the_same_choice(rng):
    """Where hardly any arm can win, only these are computed; the best of each row is as if all had been."""
    width, arms = 6, 60
    model = DisjointLinear(arms, width, CPU)
    x, arm = torch.tensor(rng.standard_normal((60_000, width))).float(), torch.tensor(rng.integers(arms, size=60_000))
    weights = torch.tensor(rng.standard_normal((arms, width))).float()
    model.learn(x, arm, torch.ones(60_000), (x * weights[arm]).sum(1))
    probe, candidates = torch.tensor(rng.standard_normal((500, width))).float(), torch.arange(59, 9, -1)
    few, all_ = (model.posterior(probe, candidates) for _ in range(2))
    assert all_.deviation.shape == (500, 50)
    noise = few.noise(torch.Generator().manual_seed(5))
    opened = torch.tensor(rng.random((500, 50)) < 0.2) | (torch.arange(50) == 49)
    for open_ in (None, opened):
        closed = torch.zeros(500, 50, dtype=torch.bool) if open_ is None else ~open_
        for drawn, score in ((None, all_.bounds(0.3)), (noise, all_.drawn(noise, 0.3))):
            leader = few.leader(0.3, open_, drawn)
            assert leader is not None
            assert torch.equal(leader, score.masked_fill(closed, -torch.inf).argmax(1))
    assert few._deviation is None
    assert all_.leader(0.3) is None


def test_equal_bests_are_left_to_all_scores():
    model = DisjointLinear(40, 3, CPU)
    arm = torch.arange(40).repeat(1000)
    x = torch.randn(len(arm), 3, generator=torch.Generator().manual_seed(0))
    model.learn(x, arm, torch.ones(len(arm)), (arm == 0) * 3 * x[:, 0])
    learned = model.tensors()
    for table in ("gram", "response"):
        learned[table][1] = learned[table][0]
    model.refresh()
    probe, candidates = torch.tensor([[1.0, 0.2, 0.1]]), torch.arange(40)
    assert model.posterior(probe, candidates).leader(0.001) is None
    assert model.posterior(probe, candidates[1:]).leader(0.001).tolist() == [0]


@pytest.mark.parametrize("name", ["linucb", "lints"])
def test_what_is_not_open_is_not_chosen_where_few_may_win(name, generator):
    """Of a single slot; the best of all was looked for once, and where it was closed nothing open was left."""
    agent = make_agent(name, arms=50, slots=1, width=6, worth=Worth(torch.ones(1, 1)), generator=generator)
    nobody, candidates = torch.zeros(512, dtype=torch.int64), torch.arange(50)
    weights = torch.randn(6, 50, generator=generator)
    for _ in range(40):
        visit = Impressions(nobody, nobody, nobody, nobody, torch.randn(512, 6, generator=generator))
        decision = agent.act(visit, candidates)
        agent.update(decision.answered(visit, ((visit.context @ weights).gather(1, decision.slates) > 0).float()))
    opened = torch.rand(512, 50, generator=generator) < 0.1
    opened[:, 49] = True
    decision = agent.act(visit, candidates, opened)
    assert bool(opened.gather(1, decision.slates).all())


def test_a_prior_is_where_an_unshown_arm_starts():
    model = DisjointLinear(1, 3, CPU)
    model.add_arms(1, Prior(torch.tensor([0.7]), strength=10.0))
    belief = model.posterior(torch.tensor([[1.0, 0.0, 0.0]]), torch.arange(2))
    torch.testing.assert_close(belief.mean, torch.tensor([[0.0, 0.7]]))
    # Strength 10: a tenth of the variance of strength 1.
    torch.testing.assert_close(belief.deviation**2, torch.tensor([[1.0, 0.1]]))


def full_hybrid(rows, arms, width, features, own):
    """One ridge regression on [x (x) z, own weights by arm], in float64: mean and deviation for a probe."""
    f = features.shape[1]
    size = width * f + (arms * width if own else 0)

    def design(x, arm):
        row = np.zeros(size)
        row[: width * f] = np.outer(x, features[arm]).ravel()
        if own:
            row[width * f + arm * width : width * f + (arm + 1) * width] = x
        return row

    precision, response = np.eye(size), np.zeros(size)
    for x, arm, trial, reward in rows:
        precision += trial * np.outer(design(x, arm), design(x, arm))
        response += reward * design(x, arm)
    weights = np.linalg.solve(precision, response)
    return lambda x, arm: (
        design(x, arm) @ weights,
        np.sqrt(design(x, arm) @ np.linalg.solve(precision, design(x, arm))),
    )


@pytest.mark.parametrize(("kind", "own"), [(SharedLinear, False), (HybridLinear, True)])
def test_shared_and_hybrid_are_one_big_ridge_regression(kind, own, rng):
    width, arms = 3, 4
    features = rng.standard_normal((arms, 2))
    rows = random_rows(rng, 60, arms, width)
    model = kind(arms, width, CPU, torch.tensor(features))
    x, arm, trial, reward = map(np.array, zip(*rows, strict=True))
    model.learn(torch.tensor(x), torch.tensor(arm), torch.tensor(trial).float(), torch.tensor(reward).float())
    exact, probe = full_hybrid(rows, arms, width, features, own), rng.standard_normal(width).astype(np.float32)
    belief = model.posterior(torch.tensor(probe)[None], torch.arange(arms))
    for k in range(arms):
        mean, deviation = exact(probe, k)
        assert belief.mean[0, k].item() == pytest.approx(mean, abs=1e-4)
        assert belief.deviation[0, k].item() == pytest.approx(deviation, abs=1e-4)


def test_a_new_arm_of_known_features_starts_from_what_they_say():
    features = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    model = SharedLinear(2, 1, CPU, features)
    x, arms = torch.ones(400, 1), torch.arange(400) % 2
    model.learn(x, arms, torch.ones(400), (arms == 0).float())
    model.add_arms(2, features=features)
    mean = model.posterior(torch.ones(1, 1), torch.arange(4)).mean[0]
    torch.testing.assert_close(mean[2:], mean[:2])
    assert mean[2] > 0.9 > 0.1 > mean[3]
    with pytest.raises(InputError, match="features"):
        model.add_arms(1, features=torch.ones(1, 3))


def test_working_rows_by_hand():
    # At logit 0: p = 1/2, weight 1/4; a success gives 0 + 1 - 1/2.
    weight, working = working_rows(torch.zeros(2), torch.ones(2), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(weight, torch.tensor([0.25, 0.25]))
    torch.testing.assert_close(working, torch.tensor([0.5, -0.5]))


def test_logistic_mode_is_the_penalised_maximum(rng):
    n = 400
    x = np.concatenate([np.ones((n, 1)), rng.standard_normal((n, 2))], 1)
    reward = rng.random(n) < 1 / (1 + np.exp(-x @ [-1.0, 0.8, 0.0]))
    model = LogisticLinear(1, 3, CPU)
    one = torch.ones(n)
    rows = model.prepare(torch.tensor(x).float(), one.long() * 0, one, torch.tensor(reward).float())
    model.learn(*rows)
    model.posterior(torch.ones(1, 3), torch.tensor([0]))
    mode = np.zeros(3)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ mode))
        hessian = np.eye(3) + (x * (p * (1 - p))[:, None]).T @ x
        mode += np.linalg.solve(hessian, x.T @ (reward - p) - mode)
    np.testing.assert_allclose(model.mean[0], mode, atol=2e-3)
