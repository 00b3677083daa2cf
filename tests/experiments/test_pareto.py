"""Reward against diversity: tuned and interpolated writers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.experiments.analysis.statistics.fronts import front
from copybandit.experiments.harness.config import configured
from copybandit.experiments.pareto import ParetoOptions, interpolated, run_pareto
from copybandit.simulation.data.errors import InputError


def test_the_front_by_hand():
    points = np.array([[1.0, 5.0], [2.0, 4.0], [1.5, 3.0], [2.0, 4.0], [3.0, 1.0]])
    assert front(points.tolist()) == [True, True, False, True, True]


def test_interpolation_by_hand():
    first, last = {"w": torch.tensor([0.0, 4.0])}, {"w": torch.tensor([8.0, 0.0])}
    assert interpolated(first, last, 0.25)["w"].tolist() == [2.0, 3.0]


@pytest.mark.parametrize("wrong", ["0.4", "a,b", "0.2,1", "-0.1,0.3"])
def test_weights_that_make_no_sweep(wrong):
    with pytest.raises(InputError, match="--weights"):
        configured(ParetoOptions(), weights=wrong)


def test_both_fronts_are_drawn_together(tiny_file, tmp_path):
    small = {
        "users": 40,
        "log_impressions": 4000,
        "samples": 1,
        "effect.steps": 20,
        "model": "built-in",
        "writer.layers": 1,
        "writer.width": 32,
        "writer.heads": 2,
        "writer.vocabulary": 400,
        "writer.max_new_tokens": 8,
        "warm_start.lines": 160,
        "ppo.updates": 2,
        "ppo.batch": 16,
        "ppo.mini_batches": 2,
    }
    options = configured(
        ParetoOptions(), scenario=str(tiny_file), out=tmp_path / "run", weights="0,0.5", between=1, device="cpu"
    )
    run: Path = run_pareto(configured(options, **small))
    table = pd.read_csv(run / "pareto.csv")
    assert table["writer"].tolist() == ["untuned", "tuned", "tuned", "interpolated"]
    assert table["front"].any()
    assert len(json.loads((run / "summary.json").read_text())["pareto"]) == 4
    assert "Reward and diversity" in (run / "report.html").read_text()


def test_an_algorithm_that_no_weight_changes_is_refused():
    with pytest.raises(InputError, match="algorithm: Input should be 'ppo', 'rloo' or 'grpo'"):
        configured(ParetoOptions(), algorithm="raft")
