"""What the commands are given here: a catalog of four products, logs, tests, texts, a model and a finished run."""

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from copybandit.policies.writer.writer import Writer, WriterConfig, small_gpt2, train_tokenizer
from copybandit.simulation.logs import log_frame, uniform_slates
from copybandit.simulation.scenario import load_scenario
from copybandit.simulation.world import make_world

from .processes import run

TINY = Path(__file__).resolve().parent.parent / "data" / "tiny.yaml"
WRITER = (
    "--users 40 --log-impressions 4000 --effect.steps 20 --model built-in --writer.layers 1 --writer.width 32 "
    "--writer.heads 2 --writer.vocabulary 400 --writer.max-new-tokens 8 --warm-start.lines 160 --device cpu"
)
RAFT = f"--scenario {TINY} {WRITER} --validation-impressions 2000 --algorithm raft --raft.texts 4 --raft.batch 4"
PLACED = "--place-impressions 2048 --place-products 4"


def make_inputs(folder: Path) -> Path:
    """Fills a folder, unless it is filled."""
    if (folder / "done" / "report.html").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    _log(folder / "log.parquet")
    _archive(folder / "archive.csv")
    lines = [f"{who} {does} {what}." for who in _WHO for does in _DOES for what in _WHAT]
    (folder / "clean.txt").write_text("\n".join(lines))
    sizes = WriterConfig(layers=1, width=32, heads=2, vocabulary=900)
    others = [f" {a}{b}" for a in "bacedifoguhajekilomu" for b in ("ran", "sel", "tin", "vor", "mup", "zag")]
    tokenizer = train_tokenizer([f" {line}" for line in lines] + others * 3, sizes.vocabulary)
    Writer(small_gpt2(sizes, tokenizer, 0), tokenizer, sizes).save(folder / "model")
    texts = pd.DataFrame({"test_id": ["a", "a", "b", "b"] * 20, "text": [f"Why cats swim {i}" for i in range(80)]})
    texts.to_csv(folder / "texts.csv", index=False)
    counts = texts.assign(impressions=1000, clicks=np.arange(80) % 17 + 20)
    counts.to_csv(folder / "counts.csv", index=False)
    plan = {"maximise": "agents.linucb.reward.mean", "trials": 3, "search": {"discount": {"low": 0.9, "high": 1.0}}}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(plan))
    done = run(folder, shlex.split(f"loop {RAFT} {PLACED} --out done"))
    if done.code:
        raise RuntimeError(done.err)
    return folder


_WHO = ("The baker", "A neighbour", "My sister", "The old man")
_DOES = ("sells", "mends", "carries", "looks for")
_WHAT = ("a warm coat", "the red lamp", "fresh bread", "an old radio")


def _log(path: Path) -> None:
    scenario, catalog = load_scenario(TINY)
    world = make_world(scenario, catalog, seed=0, users=40)
    candidates, visits = world.publish(catalog.ads), world.visitors(3000)
    slates = uniform_slates(3000, candidates, 2, torch.Generator().manual_seed(0))
    chances = (1 / (12 - torch.arange(2))).expand(3000, 2)
    log_frame(world, world.respond(visits, slates), chances).to_parquet(path)


def _archive(path: Path) -> None:
    rng, words = np.random.default_rng(0), [f"word{i}" for i in range(60)]
    rows = [
        (f"t{test}", " ".join([*rng.choice(words, 6, replace=False), f"x{test}x{arm}"]), 4000, rng.binomial(4000, 0.04))
        for test in range(60)
        for arm in range(3)
    ]
    pd.DataFrame(rows, columns=["test_id", "text", "impressions", "clicks"]).to_csv(path, index=False)
