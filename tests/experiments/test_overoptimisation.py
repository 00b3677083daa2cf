import numpy as np
import pytest
from copybandit.experiments.writing.overoptimisation import alarm, fit_gold, over_optimisation


def test_the_fit_finds_what_made_the_points():
    d = np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    found = fit_gold(d, np.where(d > 0, d * (0.10 - 0.05 * np.log(np.maximum(d, 1e-9))), 0.0))
    assert found is not None
    assert found["alpha"] == pytest.approx(0.10)
    assert found["beta"] == pytest.approx(0.05)
    assert found["r2"] == pytest.approx(1.0)
    assert found["best_distance"] == pytest.approx(np.e)  # exp(0.10 / 0.05 - 1)


def test_too_little_to_fit():
    assert fit_gold(np.array([0.0, 1.0, 2.0]), np.zeros(3)) is None
    assert fit_gold(np.ones(4), np.zeros(4)) is None


def points(proxy, validation, gold):
    return [
        {"step": 8 * i, "sqrt_kl": 0.5 * i, "proxy": p, "validation": v, "gold": g}
        for i, (p, v, g) in enumerate(zip(proxy, validation, gold, strict=True))
    ]


def test_alarm_when_the_proxy_rises_past_the_best_validation():
    told = alarm(points([0, 0.5, 0.9], [1.0, 1.1, 1.0], [1, 1, 1]))
    assert told is not None
    assert "From step 8 to 16 the proxy rose from 0.50 to 0.90 while the validation fell by 9.1%" in told


@pytest.mark.parametrize(
    ("proxy", "validation"), [([0, 0.5, 0.9], [1.0, 1.1, 1.095]), ([0, 0.5, 0.4], [1.0, 1.1, 0.9]), ([0, 1], [1, 2])]
)
def test_no_alarm_for_noise_or_where_both_fall(proxy, validation):
    assert alarm(points(proxy, validation, [1] * len(proxy))) is None


def test_a_run_that_took_no_step():
    assert over_optimisation(points([0], [1], [1])) == {"fit": None, "alarm": None}
