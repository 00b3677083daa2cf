import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.agents.state import load_agent
from copybandit.experiments.analysis.comparison.cells import build_world, serve_one
from copybandit.experiments.analysis.comparison.plots import growth_exponent, regret_exponents
from copybandit.experiments.analysis.comparison.results import Results
from copybandit.experiments.compare import CompareOptions, missing, run_compare
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.simulation.data.errors import InputError


def options(scenario, out, **changes) -> CompareOptions:
    small = {
        "agents": "linucb,beta-thompson",
        "seeds": 2,
        "users": 40,
        "creatives": 4,
        "impressions": 400,
        "batch": 100,
    }
    return configured(configured(CompareOptions(), scenario=str(scenario), out=out, device="cpu"), **(small | changes))


def rows(path) -> pd.DataFrame:
    """All that does not depend on the clock."""
    return pd.read_parquet(path).drop(columns="seconds")


@pytest.fixture(scope="module")
def done(tmp_path_factory, tiny_file):
    return run_compare(options(tiny_file, tmp_path_factory.mktemp("compare") / "run"))


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


def test_compare_leaves_what_it_promises(done):
    summary = read_json(done / "summary.json")
    assert set(summary["agents"]) == {"random", "linucb", "beta-thompson"}
    for figures in summary["agents"].values():
        assert set(figures) == {"reward", "regret", "capture", "decisions_per_second", "best"}
        assert figures["regret"]["mean"] >= 0
    assert summary["agents"]["random"]["capture"]["mean"] == 0
    assert sum(figures["best"] for figures in summary["agents"].values()) == pytest.approx(1)
    assert len(pd.read_csv(done / "curves.csv")) == 3 * 2 * 4
    assert len(pd.read_csv(done / "differences.csv")) == 3
    page = (done / "report.html").read_text()
    assert "Which agent" in page and "Paired differences" in page


def test_the_best_agent_can_be_taken_away(done):
    rewards = {name: row["reward"]["mean"] for name, row in read_json(done / "summary.json")["agents"].items()}
    agent = load_agent(done / "placement")
    assert agent.name == max(rewards, key=rewards.__getitem__)
    assert agent.ledger.issued == 400 and len(agent.labels.creatives) == 4


def test_common_random_numbers(tiny_file, monkeypatch):
    """Whoever serves, the same visitors come at the same time."""
    setting = options(tiny_file, None).setting()
    world, candidates = build_world(setting, str(tiny_file), 3)
    came: dict[str, list] = {}
    for name in ("random", "linucb"):
        seen, visitors = came.setdefault(name, []), world.visitors
        spy = lambda n, seen=seen, visitors=visitors: seen.append(visitors(n)) or seen[-1]  # noqa: E731
        monkeypatch.setattr(world, "visitors", spy)
        serve_one(world, candidates, name, setting, 3)
        monkeypatch.undo()
    assert len(came["random"]) == 4
    for first, second in zip(came["random"], came["linucb"], strict=True):
        assert all(
            torch.equal(value, getattr(second, name)) for name, value in vars(first).items() if value is not None
        )


def test_the_same_agent_earns_the_same_beside_others(done, tiny_file, tmp_path):
    run = run_compare(options(tiny_file, tmp_path / "run", agents="lints,linucb"))
    shared = [rows(path / "results.parquet").query("agent in ['linucb', 'random']") for path in (run, done)]
    pd.testing.assert_frame_equal(*(frame.reset_index(drop=True) for frame in shared))


def test_only_missing_cells_run(done, tiny_file, tmp_path):
    path = tmp_path / "all.parquet"
    table = pd.read_parquet(done / "results.parquet")
    table[table["agent"] != "linucb"].to_parquet(path, index=False)
    run_compare(options(tiny_file, tmp_path / "first", agents="beta-thompson", results=path))
    again = options(tiny_file, tmp_path / "second", results=path)
    with Results(path) as results:
        assert [task.agents for task in missing(results, again, again.names())] == [("linucb",)] * 2
    run_compare(again)
    pd.testing.assert_frame_equal(rows(path), rows(done / "results.parquet"))


def test_two_processes_find_the_same_rows(done, tiny_file, tmp_path):
    run = run_compare(options(tiny_file, tmp_path / "run", jobs=2))
    pd.testing.assert_frame_equal(rows(run / "results.parquet"), rows(done / "results.parquet"))


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_ray_finds_the_same_rows(done, tiny_file, tmp_path):
    run = run_compare(options(tiny_file, tmp_path / "run", engine="ray", jobs=2))
    pd.testing.assert_frame_equal(rows(run / "results.parquet"), rows(done / "results.parquet"))


def test_results_of_other_settings_are_refused(done, tiny_file, tmp_path):
    other = options(tiny_file, tmp_path / "run", results=done / "results.parquet", impressions=500)
    before = (done / "results.parquet").read_bytes()
    with pytest.raises(InputError, match="impressions 400, now 500"):
        run_compare(other)
    assert (done / "results.parquet").read_bytes() == before
    assert not (tmp_path / "run").exists()


def test_several_worlds(tiny_file, tmp_path):
    shutil.copytree(tiny_file.parent / "tiny", tmp_path / "tiny")
    (tmp_path / "likeable.yaml").write_text(tiny_file.read_text().replace("ctr: 0.2", "ctr: 0.3"))
    both = f"{tiny_file},{tmp_path / 'likeable.yaml'}"
    summary = read_json(run_compare(options(both, tmp_path / "run")) / "summary.json")
    assert list(summary["worlds"]) == ["tiny", "likeable"]
    worlds = [summary["worlds"][name]["agents"]["linucb"] for name in ("tiny", "likeable")]
    assert worlds[0]["reward"]["mean"] < worlds[1]["reward"]["mean"]
    pooled = summary["agents"]["linucb"]["capture"]["mean"]
    assert pooled == pytest.approx(np.mean([world["capture"]["mean"] for world in worlds]))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"agents": "linusb"}, "no agent 'linusb', perhaps linucb"),
        ({"agents": ""}, "--agents"),
        ({"agents": "lints:scale=big"}, "scale"),
        ({"agents": "lints:scala=1"}, "no setting scala"),
    ],
)
def test_agents_that_are_not_there(change, named):
    with pytest.raises(InputError, match=named):
        configured(CompareOptions(), **change).names()


def test_too_few_seeds():
    with pytest.raises(InputError, match="--seeds 1"):
        configured(CompareOptions(), seeds=1)
