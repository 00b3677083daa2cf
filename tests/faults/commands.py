"""Every command at a smallest size, and how it goes on when it was broken off."""

from dataclasses import dataclass
from pathlib import Path

from .inputs import PLACED, RAFT, TINY, WRITER

PPO = RAFT.replace("--algorithm raft --raft.texts 4 --raft.batch 4", "--algorithm ppo")
PPO += " --ppo.updates 4 --ppo.batch 16 --ppo.mini-batches 2"
COMPARED = f"--scenario {TINY} --agents linucb --users 40 --creatives 4 --impressions 800 --batch 100 --device cpu"


@dataclass(frozen=True)
class Case:
    """A command line; {inputs} stands for the folder of `inputs.py`, results go to `out`."""

    name: str
    line: str
    resumed: bool = False
    """Whether `--resume out` goes on."""
    repeated: bool = False
    """Whether the same line again goes on, in the same directory."""
    several: bool = False
    """Whether it has processes of its own: it is run by the console script only."""
    long: bool = False
    """Whether fewer moments have to do."""

    @property
    def command(self) -> str:
        """Its first word."""
        return self.line.split()[0]

    def arguments(self, inputs: Path) -> list[str]:
        """The command line."""
        return self.line.format(inputs=inputs).split()


CASES = [
    Case("tune", f"tune {RAFT} --out out", resumed=True, long=True),
    Case("tune by PPO", f"tune {PPO} --out out", resumed=True, long=True),
    Case("loop", f"loop {RAFT} {PLACED} --out out", resumed=True, long=True),
    Case("loop in rounds", f"loop {RAFT} {PLACED} --rounds 2 --round-hours 50 --out out", long=True),
    Case(
        "pareto",
        f"pareto --scenario {TINY} {WRITER} --algorithm rloo --rloo.updates 2 --rloo.batch 16 --rloo.mini-batches 2 "
        "--weights 0,0.5 --between 1 --out out",
        long=True,
    ),
    Case("compare", f"compare {COMPARED} --seeds 6 --out out"),
    Case("compare on two processes", f"compare {COMPARED} --seeds 4 --jobs 2 --out out", several=True, long=True),
    Case(
        "compare --writers",
        f"compare --writers best-of-2,raft --scenario {TINY} {WRITER} --calls 64 --seeds 2 --raft.passes 1 --out out",
        long=True,
    ),
    Case(
        "sweep",
        f"compare {COMPARED} --seeds 2 --sweep {{inputs}}/sweep.yaml --out out",
        repeated=True,
        long=True,
    ),
    Case(
        "headlines",
        "headlines --archive {inputs}/archive.csv --splits 2 --traffic 200 --repetitions 1 --encoder none --out out",
        long=True,
    ),
    Case("offline", "offline --logs {inputs}/log.parquet --policy uniform,epsilon-greedy --draws 8 --out out"),
    Case("calibrate", f"calibrate --logs {{inputs}}/log.parquet --scenario {TINY} --out out"),
    Case("score", "score {inputs}/texts.csv --device cpu --out out"),
    Case(
        "pretrain",
        "pretrain --products 6 --lines-each 8 --size.layers 1 --size.width 32 --size.heads 2 --size.vocabulary 400 "
        "--pretrain.lines 1280 --pretrain.evaluate-every 2 --device cpu --out out",
        resumed=True,
    ),
    Case(
        "distil",
        "distil --teacher {inputs}/done --texts 4 --kept 2 --student.layers 1 --student.width 16 --student.heads 2 "
        "--student.lines 320 --student.batch 16 --device cpu --out out",
    ),
    Case("export", "export {inputs}/done --to out"),
    Case("abtest", "abtest {inputs}/counts.csv --out out"),
    Case("check", "check {inputs}/done --out out"),
    Case(
        "reader",
        "reader --model {inputs}/model --english {inputs}/clean.txt --products 4 --weak 20 --common 200 --width 16 "
        "--fit.batch 32 --fit.steps 100 --out out",
    ),
    Case(
        "case-study",
        f"case-study --scenario {TINY} --seeds 2 --users 40 --rounds 20 --log-impressions 2000 --attacked-ads 4 "
        "--out out",
        long=True,
    ),
    Case("report", "report out", repeated=True),
    Case("serve", "serve {inputs}/done --device cpu", repeated=True),
]
