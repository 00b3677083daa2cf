"""torchrun: two processes on the CPU tune one writer."""

import json
import os
import subprocess
import sys

import pytest

TUNE = """
import os
from pathlib import Path
from copybandit.experiments.cli import main
Path(f"rank-{os.environ['RANK']}-of-{os.environ['WORLD_SIZE']}").touch()
main()
"""


@pytest.mark.slow
def test_two_processes_tune_one_writer(tiny_file, tmp_path):
    (tmp_path / "go.py").write_text(TUNE)
    (tmp_path / "tune.yaml").write_text(
        f"algorithm: ppo\nscenario: {tiny_file}\n"
        "users: 40\nlog_impressions: 4000\nvalidation_impressions: 2000\neffect: {steps: 20}\n"
        "model: built-in\n"
        "writer: {layers: 1, width: 32, heads: 2, vocabulary: 400, max_new_tokens: 8}\n"
        "warm_start: {lines: 160}\nppo: {updates: 2, batch: 8, mini_batches: 2}\n"
    )
    # On the CPU `accelerate launch --num_processes 2` starts a single one, unless MPI does.
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    launch += ["go.py", "tune", "--config", "tune.yaml", "--out", "run", "--device", "cpu"]
    env = os.environ | {"ACCELERATE_USE_CPU": "true"}
    found = subprocess.run(launch, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=500, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    assert {path.name for path in tmp_path.glob("rank-*")} == {"rank-0-of-2", "rank-1-of-2"}
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert [point["step"] for point in summary["proxy_gold"]] == [0, 1, 2]
    assert (tmp_path / "run" / "checkpoint" / "model.safetensors").is_file()
