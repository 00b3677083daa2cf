import numpy as np
import pandas as pd
import pytest
from copybandit.experiments.analysis.agent_plots import growth_exponent, regret_exponents
from copybandit.experiments.compare import CompareOptions, run_compare
from copybandit.experiments.runs import read_json
from copybandit.simulation.tables import InputError


def test_growth_exponent_of_a_power():
    x = np.array([1.0, 10.0, 100.0])
    assert growth_exponent(x, 3 * x**0.5) == pytest.approx(0.5)


def test_regret_exponents_by_agent():
    steps = np.arange(1, 81)
    parts = [
        pd.DataFrame({"agent": name, "seed": 0, "impressions": steps, "regret": steps**power})
        for name, power in (("straight", 1.0), ("learning", 0.5))
    ]
    found = regret_exponents(pd.concat(parts))
    assert found == {"straight": pytest.approx(1.0), "learning": pytest.approx(0.5)}


def test_compare_leaves_what_it_promises(tmp_path, tiny_file):
    options = CompareOptions(
        out=tmp_path / "run",
        agents="linucb,beta-thompson",
        seeds=2,
        scenario=str(tiny_file),
        users=40,
        creatives=4,
        impressions=400,
        batch=100,
        device="cpu",
    )
    summary = read_json(run_compare(options) / "summary.json")
    assert set(summary["agents"]) == {"random", "linucb", "beta-thompson"}
    for figures in summary["agents"].values():
        assert set(figures) == {"reward", "regret", "capture", "decisions_per_second"}
        assert figures["regret"]["mean"] >= 0
    assert summary["agents"]["random"]["capture"]["mean"] == 0
    regret = pd.read_csv(tmp_path / "run" / "regret.csv")
    assert len(regret) == 3 * 2 * 4
    assert "Which agent" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(("change", "named"), [({"agents": "x"}, "no agent 'x'"), ({"agents": ""}, "--agents")])
def test_agents_that_are_not_there(change, named):
    with pytest.raises(InputError, match=named):
        CompareOptions(**change).names()


def test_too_few_seeds():
    with pytest.raises(InputError, match="--seeds 1"):
        CompareOptions(seeds=1)
