from importlib.metadata import PackageNotFoundError

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.agents.registry import AGENTS
from copybandit.experiments.analysis.benchmarks import bandit as benchmark_bandit
from copybandit.experiments.analysis.benchmarks import cost as benchmark_cost
from copybandit.experiments.analysis.benchmarks import gpu as benchmark_gpu
from copybandit.experiments.analysis.benchmarks import recovery as benchmark_recovery
from copybandit.experiments.analysis.benchmarks import serve as benchmark_serve
from copybandit.experiments.analysis.benchmarks import writer as benchmark_writer
from copybandit.experiments.analysis.benchmarks.bandit.peers import BareTorch, BareTorchTS
from copybandit.experiments.analysis.benchmarks.bandit.speed import Problem, compare_speed, time_ours
from copybandit.experiments.analysis.benchmarks.gpu import checks as gpu_checks
from copybandit.experiments.analysis.benchmarks.options import BenchmarkOptions
from copybandit.experiments.benchmark import run_benchmark
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.world import demo_world


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_capture_by_hand():
    chances = np.array([[0.0, 1.0], [0.5, 0.0]], dtype=np.float32)
    problem = Problem(np.zeros((2, 1), np.float32), chances, chances > 2)
    # Uniform .375, oracle .75; arms 1 and 1 earn (1 + 0) / 2.
    assert problem.capture(np.array([1, 1])) == pytest.approx((0.5 - 0.375) / 0.375)


@pytest.mark.parametrize(("agent", "bare"), [("linucb", BareTorch), ("lints", BareTorchTS)])
def test_the_bare_loop_learns_as_well_as_ours(agent, bare):
    problem = Problem.draw(6400, 4, 3)
    found = compare_speed(agent, {"bare torch": bare}, problem, 64, 6400, 1, lambda n, note: None)["bare torch"]
    assert found["capture_ours"] > 0.8
    assert found["capture_theirs"] > 0.8
    assert found["ratio"] == pytest.approx(found["ours"] / found["theirs"])


def test_one_at_a_time_learns_as_well_as_in_batches():
    problem = Problem.draw(3000, 4, 3)
    assert problem.capture(time_ours("linucb", problem, 1, 3000).arms) > 0.8


def test_benchmark_leaves_ratios_and_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_bandit, "ROUNDS", 2048 * 10)
    monkeypatch.setattr(benchmark_bandit, "ROUNDS_SINGLE", 100)
    summary = read_json(
        run_benchmark(configured(BenchmarkOptions(), out=tmp_path / "run", quick=True, repeats=1, threads=1))
        / "summary.json"
    )
    row = summary["ratios"]["linucb, batch 1024"]["bare torch"]
    assert {"ratio", "ours", "theirs", "version", "threads", "repeats"} <= set(row)
    assert row["threads"] == 1


def test_cost_fits_powers(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_cost, "SIZES", {"arms": [4, 8], "slots": [1, 2]})
    monkeypatch.setattr(benchmark_cost, "BASE", {"arms": 4, "features": 4, "batch": 16, "slots": 1})
    summary = read_json(
        run_benchmark(configured(BenchmarkOptions(), out=tmp_path / "run", part="cost", threads=1)) / "summary.json"
    )
    assert summary["cost"]["arms"]["exponent_memory"] == pytest.approx(1.0, abs=1e-6)
    assert summary["cost"]["slots"]["exponent_memory"] == pytest.approx(0.0, abs=1e-6)


def test_the_sketch_has_the_worlds_effects():
    """The bound is worth something only if it does the same: as many clicks and conversions, for the same slates."""
    from copybandit.envs.placement import AdPlacementVectorEnv
    from copybandit.experiments.analysis.benchmarks.world.sketch import NumpySketch

    envs = AdPlacementVectorEnv(4096, max_episode_steps=None)
    envs.reset(seed=0)
    sketch = NumpySketch(envs.world, 4096, seed=0)
    actions = np.random.default_rng(0).integers(len(envs.candidates), size=(60, 4096, 3))
    ours = [envs.step(slates)[-1] for slates in actions]
    theirs = [sketch.step(slates)[-1] for slates in actions]
    for what, tolerance in (("clicked", 0.03), ("converted", 0.12)):
        first, second = (np.mean([info[what].mean(0) for info in side], axis=0) for side in (ours, theirs))
        assert second == pytest.approx(first, rel=2 * tolerance)
        assert second.mean() == pytest.approx(first.mean(), rel=tolerance)


def test_world_benchmark_leaves_ratios_and_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("copybandit.experiments.analysis.benchmarks.world.SIZES", (1, 64))
    options = configured(
        BenchmarkOptions(), out=tmp_path / "run", part="world", quick=True, repeats=1, threads=1, impressions=4_000_000
    )
    summary = read_json(run_benchmark(options) / "summary.json")
    row = summary["ratios"]["world, n=64"]["bare numpy"]
    assert row["ratio"] == pytest.approx(row["ours"] / row["theirs"])
    assert summary["ratios"]["world, n=1"]["RecoGym 0.1.3"]["version"] == "reported"
    assert summary["memory"]["impressions"] >= 40_000
    assert summary["memory"]["peak_mb"] >= summary["memory"]["early_mb"] > 0


def test_when_a_level_of_reward_is_reached_by_hand():
    curve = [(float(i), reward) for i, reward in enumerate([0.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])]
    # Means of the last three: 0, .5, 1, 1.67, 2, 2, 2, 2; 95% of the way to 2 is 1.9.
    assert benchmark_writer.level_of(curve) == pytest.approx(1.9)
    assert benchmark_writer.seconds_to(curve, 1.9) == 4.0
    assert benchmark_writer.seconds_to(curve, 2.1) is None


@pytest.mark.slow
def test_the_writers_benchmark_runs(tmp_path):
    options = configured(BenchmarkOptions(), out=tmp_path / "run", part="writer", quick=True, threads=1, device="cpu")
    ratios = read_json(run_benchmark(options) / "summary.json")["ratios"]
    assert ratios["texts a second, built-in writer"]["TRL PPOTrainer"]["ratio"] > 0
    assert len(ratios) == 2


@pytest.mark.slow
def test_the_gpu_benchmark_runs_small_on_the_cpu(tmp_path, monkeypatch):
    """All of it but the loop, which has tests of its own: on a GPU nothing may be found out for the first time."""
    monkeypatch.setattr(gpu_checks, "loop_runs", lambda device, out, seconds: {"seconds": 1.0})
    options = configured(BenchmarkOptions(), out=tmp_path / "run", part="gpu", threads=1, device="cpu")
    run = run_benchmark(options)
    summary = read_json(run / "summary.json")
    assert summary["failed"] == {}
    assert summary["left_out"] == []
    assert set(AGENTS) < set(summary["checks"])
    assert summary["speed"]["PPO, tiny"]["ratio"] > 0
    metrics = pd.read_csv(run / "metrics.csv")
    assert "linucb: beliefs" in set(metrics.name)


@pytest.mark.parametrize("minutes", [8.0, 0.1])
def test_what_fails_on_a_device_is_told_and_the_next_begins(tmp_path, monkeypatch, minutes):
    def broken(twins, name):
        if name == "ucb1":
            raise RuntimeError("no kernel\nand a long story")
        return {"beliefs": 0.5 if name == "lints" else 1e-6}

    now = iter(range(0, 1000, 1))
    monkeypatch.setattr(benchmark_gpu, "AGENTS", ("ucb1", "lints", "linucb"))
    monkeypatch.setattr(benchmark_gpu.time, "perf_counter", lambda: float(next(now)))
    monkeypatch.setattr(gpu_checks, "agent_agrees", broken)
    monkeypatch.setattr(gpu_checks, "loop_runs", lambda *given: {"seconds": 1.0})
    for name in ("world_agrees", "effect_model_agrees"):
        monkeypatch.setattr(gpu_checks, name, lambda twins: {"click": 0.0})
    monkeypatch.setattr(benchmark_gpu, "_timings", lambda *given: iter([("late", lambda: {"steps/s": 1.0})]))
    options = configured(BenchmarkOptions(), out=tmp_path / "run", part="gpu", threads=1, device="cpu", minutes=minutes)
    with pytest.raises(SystemExit) as ended:
        run_benchmark(options)
    assert ended.value.code == 1
    summary = read_json(tmp_path / "run" / "summary.json")
    assert summary["failed"]["ucb1"] == "RuntimeError: no kernel"
    assert "something else" in summary["failed"]["lints"]
    assert "linucb" in summary["checks"]
    assert ("late" in summary["left_out"]) == (minutes < 1)


def test_moved_and_apart_by_hand():
    visits = demo_world("shop", users=20).visitors(3)
    there = gpu_checks.moved(visits, torch.device("meta"))
    assert there.context.is_meta
    assert there.user.is_meta
    assert not visits.user.is_meta
    # The largest of .1 and .2 apart, against the largest value, 4.
    assert gpu_checks.apart(torch.tensor([1.1, 4.2]), torch.tensor([1.0, 4.0])) == pytest.approx(0.05)


def test_recovery_lays_true_and_fitted_worlds_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr("copybandit.experiments.analysis.benchmarks.recovery.IMPRESSIONS", 60_000)
    options = configured(BenchmarkOptions(), out=tmp_path / "run", part="recovery", quick=True, worlds=2, threads=1)
    run = run_benchmark(options)
    found = read_json(run / "summary.json")["recovery"]
    assert found["worlds"] == 2
    assert found["inside"] > 0.7
    assert {"fatigue: all", "intent: search", "look: feed, slot 2"} <= set(found["effects"])
    assert found["position_error"]["mean"] < 0.2
    policies = pd.read_csv(run / "policies.csv")
    assert len(policies) == 16
    assert found["ranking"]["tau_clicks"]["mean"] > 0.2


def test_recovery_is_summed_up_by_hand():
    effects = pd.DataFrame({"effect": ["a", "a"], "world": [0, 1], "truth": [1.0, 1.0], "mean": [1.1, 2.0]}).assign(
        low=lambda t: t["mean"] - 0.5, high=lambda t: t["mean"] + 0.5
    )
    slots = pd.DataFrame({"slot": [1, 2], "truth": [1.0, 0.5], "fitted": [1.0, 0.55]})
    values = {"clicks": [1, 2, 3], "clicks_fitted": [1, 3, 2], "clicks_again": [1, 2, 3]}
    policies = pd.DataFrame({**values, "reward": [1, 2, 3], "reward_fitted": [3, 2, 1], "reward_again": [1, 2, 3]})
    found = benchmark_recovery.summarised(effects, slots, policies.assign(world=0))
    assert found["inside"] == 0.5
    assert found["effects"]["a"]["bias"] == pytest.approx(0.55)
    assert found["position_error"]["most"] == pytest.approx(0.1)
    # Of three pairs one is turned round: (2 - 1) / 3.
    assert found["ranking"]["tau_clicks"]["mean"] == pytest.approx(1 / 3)
    assert found["ranking"]["tau_reward"]["mean"] == pytest.approx(-1)


def test_a_log_on_disk_is_valued_as_it_was_made(tmp_path):
    options = configured(BenchmarkOptions(), out=tmp_path / "run", part="logs", rows=60_000, threads=1)
    found = read_json(run_benchmark(options) / "summary.json")["logs"]
    # Rates and preferences are known: 95% intervals of eight estimates hold what the policies earn.
    assert found["rows"] == 60_000 and found["intervals"] == 8 and found["intervals_that_hold_the_truth"] >= 6
    assert found["truth"]["uniform"] == pytest.approx(0.08, abs=0.02)
    assert found["peak_rss_bytes"] > 10**8 and set(found["stages"]) >= {"log", "policies"}


def test_serve_measures_each_form_and_says_what_is_missing(tmp_path, monkeypatch):
    def version(name):
        if name in ("onnxruntime", "xllamacpp"):
            raise PackageNotFoundError
        return "1"

    monkeypatch.setattr(benchmark_serve, "version", version)
    run = run_benchmark(configured(BenchmarkOptions(), out=tmp_path / "run", part="serve", quick=True, threads=1))
    rows = {row["form"]: row for row in read_json(run / "summary.json")["serve"]}
    assert list(rows) == list(benchmark_serve.FORMS)
    assert rows["transformers"]["gold"]["mean"] == 0
    assert rows["transformers"]["same"] == 1
    assert rows["copybandit"]["same"] > 0.8
    assert min(rows["copybandit"][name] for name in ("one", "many", "start", "memory_megabytes")) > 0
    assert rows["gguf"]["absent"] == "pip install xllamacpp"
    assert rows["int8"]["absent"] == "pip install onnxruntime"


def test_serve_measures_writers_alone(tmp_path):
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph/config.json").write_text("{}")
    refused = {"none": "no finished checkpoint in it", "graph": r"manifest\.json is missing"}
    for name, said in refused.items():
        options = configured(BenchmarkOptions(), part="serve", out=tmp_path / "run", writers=str(tmp_path / name))
        with pytest.raises(InputError, match=said):
            run_benchmark(options)
