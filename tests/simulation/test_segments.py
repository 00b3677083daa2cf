"""Segments found in behaviour, on users whose groups were planted."""

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.visitors.segments import (
    Behaviour,
    audience_behaviour,
    describe,
    find_segments,
    log_behaviour,
    with_segments,
)

KINDS = {"kitchen": ("kitchen", ""), "toys": ("toys", ""), "purchases": ("buys often", "buys rarely")}


@pytest.fixture
def planted(rng) -> tuple[Behaviour, np.ndarray]:
    """Sixty who look at the kitchen and buy often, thirty who look at toys and buy rarely."""
    group = rng.permutation(np.repeat([0, 1], [60, 30]))
    kitchen = np.where(group == 0, 0.8, 0.1) + 0.02 * rng.standard_normal(90)
    values = pd.DataFrame({"kitchen": kitchen, "toys": 1 - kitchen, "purchases": np.where(group == 0, 9, 1)})
    return Behaviour(values, KINDS), group


@pytest.mark.parametrize("method", ["kmeans", "mixture"])
@pytest.mark.parametrize("number", [2, "auto"])
def test_planted_groups_are_found_and_named(planted, method, number):
    behaviour, group = planted
    found = find_segments(behaviour, number, method)
    if method == "mixture" and number == "auto":
        # BIC may split what is not quite normal; it never mixes the planted groups.
        assert all(len(set(group[found.label == k])) == 1 for k in range(len(found.names)))
        return
    assert (found.label == group).all()  # the largest comes first
    assert found.names == ("kitchen, buys often", "toys, buys rarely")


def test_the_profile_by_hand():
    values = pd.DataFrame({"kitchen": [1.0, 0.5, 0.0], "toys": [0.0, 0.5, 1.0], "purchases": [4, 2, 0]})
    profile = describe(Behaviour(values, KINDS), np.array([0, 0, 1]), ("a", "b")).profile
    assert profile.segment.tolist() == ["a", "b"]
    assert profile.users.tolist() == [2, 1]
    assert profile.share.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert profile.kitchen.tolist() == [0.75, 0.0]
    assert profile.purchases.tolist() == [3, 0]


def test_names_differ_even_where_clusters_do_not_stand_out(rng):
    values = pd.DataFrame({"kitchen": rng.random(40), "toys": rng.random(40), "purchases": rng.integers(0, 5, 40)})
    names = find_segments(Behaviour(values, KINDS), 7).names
    assert len(set(names)) == len(names) == 7


def test_users_who_all_do_the_same_are_everyone():
    values = pd.DataFrame({"kitchen": [0.5] * 5, "toys": [0.5] * 5, "purchases": [1] * 5})
    assert find_segments(Behaviour(values, KINDS), "auto").names == ("everyone",)


def test_more_segments_than_users_who_differ_are_refused():
    values = pd.DataFrame({"kitchen": [0.1, 0.9, 0.9], "toys": [0.9, 0.1, 0.1], "purchases": [1, 2, 2]})
    with pytest.raises(InputError, match="--segments 3: only 2 users differ"):
        find_segments(Behaviour(values, KINDS), 3)


def test_an_audience_takes_them_over(tiny_world, tiny_catalog):
    behaviour = audience_behaviour(tiny_world.audience, tiny_catalog.categories)
    shares = behaviour.values[list(tiny_catalog.categories)].sum(axis=1)
    assert shares.isin([0, 1]).all() or shares.max() == pytest.approx(1)
    found = find_segments(behaviour, 3)
    audience = with_segments(tiny_world.audience, found)
    assert audience.segments == found.names
    assert torch.bincount(audience.segment).tolist() == found.profile.users.tolist()
    assert audience.tastes is tiny_world.audience.tastes


def test_behaviour_in_a_log_by_hand(tiny_catalog):
    """Ann clicks the kitchen twice of two, Bo nothing; everybody's clicks: 2 kitchen, 2 outdoor (both Cy's)."""
    log = pd.DataFrame(
        {
            "impression_id": ["1", "2", "3", "4", "5"],
            "user_id": ["ann", "ann", "bo", "cy", "cy"],
            "channel": ["search", "search", "feed", "feed", "search"],
            "product_id": ["k1", "k2", "k1", "o1", "o2"],
            "clicked": [1, 1, 0, 1, 1],
            "converted": [1, 0, 0, 0, 0],
        }
    )
    values = log_behaviour(log, tiny_catalog).values
    assert values.index.tolist() == ["ann", "bo", "cy"]
    # (2 + 3 * 1/2) / (2 + 3), then the overall share alone, then (0 + 3 * 1/2) / (2 + 3)
    assert values.kitchen.tolist() == pytest.approx([0.7, 0.5, 0.3])
    # search: 3 visits of 5; (2 + 3 * 0.6) / 5, (0 + 1.8) / 4, (1 + 1.8) / 5
    assert values["by search"].tolist() == pytest.approx([0.76, 0.45, 0.56])
    assert values.visits.tolist() == [2, 1, 2]
    assert values.purchases.tolist() == [1, 0, 0]
