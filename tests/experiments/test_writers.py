"""Ways of tuning side by side, in a world of four products."""

import json

import pandas as pd
import pytest
from copybandit.experiments.compare_writers import FIGURES, Way, WritersOptions, run_writers
from copybandit.experiments.harness.config import configured, read_config
from copybandit.simulation.data.errors import InputError

SMALL = """
scenario: {scenario}
users: 40
log_impressions: 4000
effect: {{steps: 20}}
model: built-in
writer: {{layers: 1, width: 32, heads: 2, vocabulary: 400, max_new_tokens: 8}}
warm_start: {{lines: 160}}
calls: 64
ppo: &few {{batch: 16, mini_batches: 2, learning_rate: 0.003}}
rloo: *few
grpo: *few
"""


def test_ways_by_name():
    assert Way.read("raft+best-of-8") == Way("raft+best-of-8", "raft", 8)
    assert Way.read("ppo") == Way("ppo", "ppo", 1)
    assert Way.read("best-of-16") == Way("best-of-16", "best-of-n", 16)
    assert Way.read("rloo+best-of-4") == Way("rloo+best-of-4", "rloo", 4)


@pytest.mark.parametrize("wrong", ["dpo", "ppo+", "best-of-", "ppobest-of-4", ""])
def test_no_such_way(wrong):
    with pytest.raises(InputError, match="no way"):
        Way.read(wrong)


def test_all_at_one_budget_of_reward_calls(tiny_file, tmp_path):
    (tmp_path / "tune.yaml").write_text(SMALL.format(scenario=tiny_file))
    ways = "raft,ppo,rloo,grpo,best-of-4,raft+best-of-2,ppo+best-of-2,supervised"
    shared = read_config(tmp_path / "tune.yaml", WritersOptions())
    run = run_writers(configured(shared, writers=ways, seeds=1, device="cpu", out=tmp_path / "run"))
    found = json.loads((run / "summary.json").read_text())["writers"]
    assert found.keys() == {"untuned", *ways.split(",")}
    # 64 calls: 4 updates of 16; 16 texts are kept, so that choosing among 4 takes all of them and among 2 half.
    calls = {name: row["reward_calls"]["mean"] for name, row in found.items()}
    assert calls == {"untuned": 0, "supervised": 0} | dict.fromkeys(ways.split(",")[:7], 64)
    assert found["untuned"]["reward"]["mean"] == found["supervised"]["reward"]["mean"] == 0
    assert abs(found["untuned"]["kl"]["mean"]) < 1e-5 < found["ppo"]["kl"]["mean"]
    assert abs(found["raft"]["kl"]["mean"]) > 1e-5
    assert set(FIGURES) <= set(pd.read_csv(run / "writers.csv").columns)
