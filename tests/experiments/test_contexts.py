"""What agents see of a log's visits: of bounded width, and what is missing is a value of its own."""

import numpy as np
import pandas as pd
import pytest
from copybandit.experiments.analysis.off_policy.contexts import TOLD_APART, WIDTH, Contexts


def visits(**columns) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"channel": "feed", "user_id": np.arange(n), **columns})


def contexts_of(top: pd.DataFrame, size: int = 10_000) -> tuple[np.ndarray, list[str]]:
    contexts = Contexts()
    parts = [top.iloc[i : i + size] for i in range(0, len(top), size)]
    kept = [contexts.see(part) for part in parts]
    found = np.concatenate([contexts.read(row, len(part)) for row, part in zip(kept, parts, strict=True)])
    assert contexts.width == found.shape[1]
    return found, contexts.notes()


def test_by_hand():
    found, notes = contexts_of(visits(user_segment=["b", "a", "b", "a"], user_age=[1.0, 3.0, 1.0, 3.0]))
    # A constant, the channel, segments a and b, the age at mean 0 and deviation 1.
    assert found.tolist() == [[1, 1, 0, 1, -1], [1, 1, 1, 0, 1], [1, 1, 0, 1, -1], [1, 1, 1, 0, 1]]
    assert notes == []


def test_a_missing_number_is_not_a_zero():
    found, notes = contexts_of(visits(user_age=[1.0, np.nan, 3.0, np.nan]))
    assert found[:, 2].tolist() == pytest.approx([-np.sqrt(1), 0, np.sqrt(1), 0])
    assert found[:, 3].tolist() == [0, 1, 0, 1]
    assert notes == ["user_age is missing in 50.0% of impressions: that is a value of its own."]


def test_a_missing_text_is_no_other_text():
    found, notes = contexts_of(visits(context_page=["home", None, "home", "nan"]))
    assert found[:, 2:].tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert notes == ["context_page is missing in 25.0% of impressions: that is a value of its own."]
    assert contexts_of(visits(context_query=[None, None]))[0].shape == (2, 2)


def test_a_query_a_visit_is_read_as_text():
    queries = [f"red bottle {i}" for i in range(3000)]
    found, notes = contexts_of(visits(context_query=[*queries[:-1], queries[0]]))
    assert found.shape == (3000, 2 + WIDTH)
    assert notes == [f"context_query has more than 32 values: they are read as texts, in {WIDTH} numbers."]
    assert np.array_equal(found[0], found[-1]) and not np.allclose(found[0], found[1])
    # Texts alike are alike: another number is nearer than another thing.
    other = contexts_of(visits(context_query=[*queries[:-1], "cheap tent"]))[0]
    assert found[1, 2:] @ found[2, 2:] > other[1, 2:] @ other[-1, 2:]
    few = contexts_of(visits(context_query=queries[:TOLD_APART]))[0]
    assert few.shape == (TOLD_APART, 2 + TOLD_APART)


def test_blocks_are_read_as_the_whole_is():
    rng = np.random.default_rng(0)
    top = visits(
        user_segment=rng.choice(["b", "a", "c"], 500).tolist(),
        user_age=np.where(rng.random(500) < 0.1, np.nan, rng.integers(18, 70, 500)),
        context_query=[f"query {i % 90}" if i % 7 else None for i in range(500)],
        context_page=[None] * 300 + ["home"] * 200,
    )
    whole, notes = contexts_of(top)
    for size in (7, 100):
        found, said = contexts_of(top, size)
        assert found == pytest.approx(whole, abs=1e-6) and said == notes
