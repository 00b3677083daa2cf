import numpy as np
import pytest
from copybandit.experiments.analysis.statistics.bootstrap import bootstrap, crossed_bootstrap, lift_of_ratios, ratio


def test_ratio_and_lift_by_hand():
    assert ratio(np.array([3.0, 4.0])) == pytest.approx(0.75)
    assert lift_of_ratios(np.array([3.0, 4.0, 1.0, 2.0])) == pytest.approx(0.5)


def test_no_spread_no_width(rng):
    interval = bootstrap(np.tile([2.0, 8.0], (50, 1)), ratio, rng)
    assert interval == {"mean": 0.25, "low": 0.25, "high": 0.25}


def test_one_cluster_says_nothing_of_others(rng):
    interval = bootstrap(np.array([[2.0, 8.0]]), ratio, rng)
    assert interval["mean"] == 0.25 and np.isnan([interval["low"], interval["high"]]).all()


def test_few_clusters_are_not_too_sure(rng):
    # Four normal means: plain percentiles hold the truth in about 80 of 100.
    held = []
    for _ in range(300):
        found = bootstrap(np.stack([rng.normal(size=4), np.ones(4)], axis=1), ratio, rng)
        held.append(found["low"] <= 0 <= found["high"])
    assert np.mean(held) > 0.85


def test_interval_of_a_mean_has_the_textbook_width(rng):
    values = rng.normal(size=400)
    interval = bootstrap(np.stack([values, np.ones(400)], axis=1), ratio, rng)
    half = 1.96 * values.std() / 20
    assert interval["mean"] == pytest.approx(values.mean())
    assert interval["high"] - interval["mean"] == pytest.approx(half, rel=0.15)
    assert interval["mean"] - interval["low"] == pytest.approx(half, rel=0.15)


def test_clusters_count_as_one_draw_each(rng):
    # Ten equal rows of one user say no more than one of them.
    users = rng.normal(size=40)
    once = bootstrap(np.stack([users, np.ones(40)], axis=1), ratio, np.random.default_rng(1))
    tenfold = bootstrap(np.stack([10 * users, np.full(40, 10.0)], axis=1), ratio, np.random.default_rng(1))
    assert tenfold == pytest.approx(once)


def test_crossed_clusters_are_both_drawn(rng):
    users, products = rng.normal(0, 1, 400), rng.normal(0, 0.5, 100)
    value = 10 + users[:, None] + products
    found = crossed_bootstrap(np.stack([value, np.ones_like(value)], axis=2), ratio, rng)
    error = np.sqrt(users.var() / 400 + products.var() / 100)
    assert found["mean"] == pytest.approx(value.mean())
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_one_product_tells_nothing_of_others(rng):
    value = rng.normal(1, 1, (50, 1, 1))
    cells = np.concatenate([value, np.ones_like(value)], axis=2)
    again = np.random.default_rng(3)
    assert crossed_bootstrap(cells, ratio, np.random.default_rng(3)) == bootstrap(cells[:, 0], ratio, again)
