"""Agents that are replayed on real A/B tests."""

import numpy as np
import pandas as pd
import pytest
from copybandit.agents.horizon import ArchivePrior
from copybandit.experiments.analysis.headlines.replay import ArchiveTests
from copybandit.experiments.compare import CompareOptions, run_compare
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.placing.real_tests import on_tests, ranked, real_tests
from copybandit.simulation.archive.tests import read_archive

PRIOR = ArchivePrior(level=-1.0, level_variance=0.5, trust=0.0, spread=0.5)
CLEAR = ArchiveTests(np.array([0.5, 0.1, 0.1, 0.1, 0.4]), np.zeros(5), np.array([0, 3]))


@pytest.fixture
def archive(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        (f"t{test}", f"text {test} {arm}", 5000, rng.binomial(5000, rate))
        for test in range(40)
        for arm, rate in enumerate(rng.uniform(0.02, 0.06, 3))
    ]
    path = tmp_path / "archive.csv"
    pd.DataFrame(rows, columns=["test_id", "text", "impressions", "clicks"]).to_csv(path, index=False)
    return path


def test_agents_find_the_better_texts_and_uniform_placement_does_not():
    earned = on_tests(CLEAR, ["random", "ucb1:scale=0.1", "horizon-ts"], PRIOR, 2000, seed=0)
    assert earned["random"] == pytest.approx(CLEAR.uniform, abs=0.02)
    for name in ("ucb1:scale=0.1", "horizon-ts"):
        assert (earned[name] > 0.8 * CLEAR.best).all()
    again = on_tests(CLEAR, ["horizon-ts"], PRIOR, 2000, seed=0)
    assert (again["horizon-ts"] == earned["horizon-ts"]).all()


def test_the_prior_is_taught_by_tests_that_are_not_replayed(archive):
    tests, prior = real_tests(read_archive(archive), 10, np.random.default_rng(0))
    assert len(tests.starts) == 10
    assert (tests.text == 0).all()
    assert prior.trust == 0
    assert prior.level == pytest.approx(np.log(0.04 / 0.96), abs=0.15)
    few, _ = real_tests(read_archive(archive), 100, np.random.default_rng(0))
    assert len(few.starts) == 20


def test_rankings_by_hand(rng):
    # Of three pairs of agents two are ranked alike: tau = (2 - 1) / 3.
    earned = {"a": CLEAR.uniform, "b": CLEAR.uniform + 0.01, "c": CLEAR.uniform + 0.02}
    found = ranked(CLEAR, earned, {"a": 0.0, "b": 0.5, "c": 0.4}, 2000, rng)
    assert found["tau"] == pytest.approx(1 / 3)
    assert found["capture"]["a"]["mean"] == pytest.approx(0)
    assert found["tests"] == 2


def test_compare_says_whether_the_world_ranks_as_tests_do(archive, tiny_file, tmp_path):
    small = {"agents": "ucb1,horizon-ts", "seeds": 2, "users": 40, "creatives": 4, "impressions": 400, "batch": 100}
    options = configured(CompareOptions(), scenario=str(tiny_file), device="cpu", out=tmp_path / "run", **small)
    path = run_compare(configured(options, tests=archive, test_traffic=300))
    found = read_json(path / "summary.json")["real_tests"]
    assert set(found["capture"]) == set(found["world"]) == {"random", "ucb1", "horizon-ts"}
    assert -1 <= found["tau"] <= 1
    assert found["tests"] == 20
    assert "The same agents on real tests" in (path / "report.html").read_text(encoding="utf-8")
