"""Privacy for users: what is cut, how much noise is drawn, and that all else is told by public names."""

import builtins
import math

import pytest
import torch
from copybandit.policies.effect.accountant import Budget, noise_for
from copybandit.policies.effect.design import Design
from copybandit.policies.effect.features import Description, Words
from copybandit.policies.effect.federated import summed_gradient
from copybandit.policies.effect.model import EffectConfig
from copybandit.policies.effect.private import (
    CAPS,
    CONVERSION,
    RELEASES,
    cut,
    fit_private_effect_model,
    noisy_rates,
    user_gradients,
)
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.user_log import UserLog, log_users_uniform, user_log_of
from scipy.stats import norm

NO_NOISE = Budget(math.inf, 1e-5, 1e9, RELEASES, 0.0)


@pytest.fixture
def log(make_tiny_world) -> UserLog:
    world = make_tiny_world(users=30)
    return log_users_uniform(world, world.catalog.ads, 1500, torch.Generator().manual_seed(0))


@pytest.fixture
def design(log, tiny_catalog) -> Design:
    texts = [creative.text for creative in log.creatives]
    features = torch.cat(
        [Words("words", texts, seed=0)(texts), Description(tiny_catalog, log.creatives, None)(log.creatives)], 1
    )
    places = len(log.channels) * log.slots
    return Design.of(features, log.creatives, log.segments, places, tiny_catalog, EffectConfig())


def exact_delta(epsilon: float, multiplier: float) -> float:
    """Of one Gaussian mechanism (Balle and Wang, ICML 2018, theorem 8)."""
    a, b = 1 / (2 * multiplier), epsilon * multiplier
    return float(norm.cdf(a - b) - math.exp(epsilon) * norm.cdf(-a - b))


@pytest.mark.parametrize(("epsilon", "releases"), [(1.0, 1), (1.0, 42), (8.0, 42)])
def test_the_noise_keeps_the_budget_and_is_hardly_more_than_that_takes(epsilon, releases):
    """k releases with noise s are one with s / sqrt(k), of which the exact delta is known."""
    pytest.importorskip("opacus")
    multiplier = noise_for(epsilon, 1e-5, releases)
    assert exact_delta(epsilon, multiplier / releases**0.5) <= 1e-5
    assert exact_delta(epsilon, 0.96 * multiplier / releases**0.5) > 1e-5


def test_without_the_extra_there_is_one_line(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("opacus"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        InputError, match=r"^--private.epsilon: opacus is not installed; pip install 'copybandit\[private\]'$"
    ):
        Budget.of(4.0, 1e-5, 5.0, 42)


def test_cutting_by_hand():
    """A gradient of norm 5 is shortened to 2, one of norm 1 stays, and so does nothing."""
    given = torch.tensor([[[3.0, 0.0], [0.0, 4.0]], [[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    found = cut(given, 2.0)
    assert torch.allclose(found[0], torch.tensor([[1.2, 0.0], [0.0, 1.6]]))
    assert torch.equal(found[1:], given[1:])


def test_a_users_gradient_is_that_of_the_likelihood_of_his_rows(log, design):
    weights = 0.1 * torch.randn(2, len(design.moments), generator=torch.Generator().manual_seed(1))
    (found,) = user_gradients(design, log, weights)
    for user in (0, 17, 29):
        mine = log.user == user
        free = weights.clone().requires_grad_()
        tables = torch.stack([design.logits(w) for w in free], dim=2)
        logits = tables[log.creative[mine], log.segment[user]] + design.split(free)[2].T[log.place[mine]]
        click, convert = torch.nn.functional.logsigmoid(logits).T
        no_click, no_convert = torch.nn.functional.logsigmoid(-logits).T
        clicked, sold = log.clicks[mine], log.conversions[mine]
        likelihood = clicked * click + (1 - clicked) * no_click
        likelihood = likelihood + clicked * (sold * convert + (1 - sold) * no_convert)
        likelihood.sum().backward()
        expected = free.grad * design.scale * torch.tensor([[1.0], [CONVERSION]])
        assert torch.allclose(found[user], expected, atol=1e-4)


def test_users_add_up_to_what_all_rows_together_say(log, design):
    weights = 0.1 * torch.randn(2, len(design.moments), generator=torch.Generator().manual_seed(1))
    (each,) = user_gradients(design, log, weights)
    together = summed_gradient(design, log.counts(), weights, log.slots)
    assert torch.allclose(each.sum(0) / design.scale / torch.tensor([[1.0], [CONVERSION]]), together, atol=1e-2)


def test_heads_say_what_the_design_does(log, design):
    weights = 0.1 * torch.randn(2, len(design.moments), generator=torch.Generator().manual_seed(1))
    heads = design.heads(weights)
    texts = [creative.text for creative in log.creatives]
    catalog_features = design.features @ torch.linalg.inv(design.turn) + design.middle[design.category]
    segment = torch.zeros(len(texts), dtype=torch.int64)
    text = heads.text(catalog_features, segment, design.category)
    context = heads.context(segment, design.product, segment, design.category)
    expected = torch.stack([design.logits(w)[:, 0] for w in weights], dim=1) + design.split(weights)[2][:, 0]
    assert torch.allclose(text + context, expected, atol=1e-3)


def test_nobody_moves_the_base_rates_by_more_than_the_root_of_two(log):
    """Two users: one clicks on all, one on nothing. Shares are 1 (cut) and 0: half of each cap."""
    two = user_log(log, user=[0, 0, 1, 1], clicks=[1, 1, 0, 0], conversions=[1, 1, 0, 0])
    rates = noisy_rates(two, NO_NOISE, torch.Generator())
    assert float(rates[0]) == pytest.approx(CAPS[0] / 2)
    assert float(rates[0] * rates[1]) == pytest.approx(CAPS[1] / 2)


def user_log(log: UserLog, user: list[int], clicks: list[int], conversions: list[int]) -> UserLog:
    rows = torch.zeros(6, len(user), dtype=torch.int32)
    rows[0], rows[4], rows[5] = torch.tensor(user), torch.tensor(clicks), torch.tensor(conversions)
    names = (log.creatives, log.segments, log.channels, log.slots)
    return UserLog.sorted(names, torch.zeros(max(user) + 1, dtype=torch.int64), rows)


def test_noise_has_the_scale_of_what_users_are_cut_to(log, tiny_catalog, monkeypatch):
    """Without rows a release is noise alone; ten times the cut, ten times the noise."""
    drawn = []
    real = torch.randn

    def watched(*shape, **given):
        drawn.append(real(*shape, **given))
        return drawn[-1]

    monkeypatch.setattr("copybandit.policies.effect.private.torch.randn", watched)
    fit(log, tiny_catalog, Budget(1.0, 1e-5, 1.0, RELEASES, 3.0))
    assert len([each for each in drawn if each.shape != (0,)]) >= RELEASES
    releases = [each for each in drawn if each.dim() == 2 and each.shape[0] == 2]
    assert len(releases) == RELEASES - 1
    assert float(torch.cat([each.flatten() for each in releases]).std()) == pytest.approx(1, abs=0.05)


def fit(log, catalog, budget, seed=0):
    noise = torch.Generator().manual_seed(seed)
    return fit_private_effect_model(
        log, catalog, EffectConfig(text_ridge=20.0, segment_ridge=50.0), budget, noise=noise
    )


def test_without_noise_it_meets_the_log_and_with_it_less(log, tiny_catalog):
    counts = log.counts()

    def loss(effect) -> float:
        chance = effect.predict_cells(counts)[:, 0]
        return float(-(counts.clicks * chance.log() + (counts.impressions - counts.clicks) * (1 - chance).log()).sum())

    quiet, loud = (fit(log, tiny_catalog, budget) for budget in (NO_NOISE, Budget(0.1, 1e-5, 5.0, RELEASES, 300.0)))
    rate = float(counts.clicks.sum() / counts.impressions.sum())
    base = -len(log) * (rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
    assert loss(quiet) < base
    assert loss(loud) > loss(quiet)


def test_what_is_cut_bounds_what_one_user_does(log, design):
    """Without him, the sum of cut gradients is another by no more than the cut."""
    weights = design.start(torch.tensor([0.2, 0.3]))
    (each,) = user_gradients(design, log, weights)
    clip = float(each.flatten(1).norm(dim=1).median())
    total = cut(each, clip).sum(0)
    rest = cut(torch.cat([each[:4], each[5:]]), clip).sum(0)
    assert 0 < float((total - rest).norm()) <= clip * 1.0001


def test_a_log_table_by_user(log, tiny_catalog, make_tiny_world):
    import pandas as pd

    frame = pd.DataFrame(
        {
            "user_id": ["b", "a", "b"],
            "product_id": ["k1", "o1", "k1"],
            "text": ["one", "two", "three"],
            "channel": ["y", "x", "x"],
            "position": [1, 0, 0],
            "clicked": [1, 0, 1],
            "user_segment": ["s", "t", "s"],
        }
    )
    creatives = [Creative("k1", "one"), Creative("o1", "two"), Creative("k1", "three")]
    found = user_log_of(frame, creatives, [0, 1, 0], ["s", "t"], ["x", "y"], 2)
    assert found.user.tolist() == [0, 0, 1]
    assert found.segment.tolist() == [0, 1]
    assert found.creative.tolist() == [0, 2, 1]
    assert found.place.tolist() == [3, 0, 0]
    assert found.clicks.tolist() == [1, 1, 0]
    counts = found.counts()
    assert (counts.impressions.sum(), counts.clicks.sum()) == (3, 2)
