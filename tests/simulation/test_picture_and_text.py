"""Whose the differences between packages of a test are."""

import numpy as np
import pandas as pd
import pytest
from copybandit.simulation.archive.picture_and_text import PAIRS, pair_sums, parts


def archive(rng, headline, picture, interplay, tests=1500, shown=40_000):
    """Tests of two headlines and two pictures, with these standard deviations of log-odds."""
    rows = []
    for test in range(tests):
        h, p, both = (rng.normal(0, s, n) for s, n in ((headline, 2), (picture, 2), (interplay, (2, 2))))
        for i in range(2):
            for j in range(2):
                rate = 1 / (1 + np.exp(3.5 - h[i] - p[j] - both[i, j]))
                rows.append((f"t{test}", f"{test} {i}", 2 * test + j, shown, rng.binomial(shown, rate)))
    return pd.DataFrame(rows, columns=["test_id", "text", "group", "impressions", "clicks"])


@pytest.mark.parametrize(("headline", "picture", "interplay"), [(0.2, 0.1, 0.0), (0.1, 0.1, 0.15)])
def test_known_parts_are_found_again(headline, picture, interplay):
    found = parts(pair_sums(archive(np.random.default_rng(0), headline, picture, interplay)).sum(0))
    for name, true in (("headline", headline), ("picture", picture), ("interplay", interplay)):
        assert found[name] == pytest.approx(true**2, abs=0.003), name
    assert sum(found[f"{name}_share"] for name in ("headline", "picture", "interplay")) == pytest.approx(1)


def test_parts_by_hand():
    """Half squares of .03 under one headline, .05 under one picture, .06 where both differ."""
    sums = np.array([[2 * 0.03, 2, 5], [3 * 0.05, 3, 4], [0.06, 1, 3]]).ravel()
    found = parts(sums)
    assert found["headline"] == pytest.approx(0.03)
    assert found["picture"] == pytest.approx(0.01)
    assert found["interplay"] == pytest.approx(0.02)
    assert found["picture_share"] == pytest.approx(1 / 6)


def test_pairs_are_counted_by_kind():
    frame = archive(np.random.default_rng(1), 0.1, 0.1, 0.0, tests=2)
    counts = pair_sums(frame).reshape(2, len(PAIRS), 3)[..., 2]
    assert counts.tolist() == [[2, 2, 2], [2, 2, 2]]


def test_noise_alone_is_no_part():
    """Packages that click alike, with so few clicks that they seem to differ by much."""
    found = parts(pair_sums(archive(np.random.default_rng(2), 0.0, 0.0, 0.0, tests=4000, shown=2000)).sum(0))
    assert max(abs(found[name]) for name in ("headline", "picture", "interplay")) < 0.003
