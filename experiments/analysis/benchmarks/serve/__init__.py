"""The serve part of `copybandit benchmark`: what a text costs, and is worth, in each form of a writer."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from .....agents.agent import CONVERSION_VALUE
from .....policies.base.start import BASE, load_base
from .....policies.writer.checkpoint import CHECKPOINT, check_checkpoint, save_checkpoint
from .....policies.writer.gguf_model import export_gguf
from .....policies.writer.onnx_model import export_int8, export_onnx
from .....policies.writer.placeholders import filled
from .....policies.writer.prompts import prompt
from .....policies.writer.writer import Writer, WriterConfig, load_writer, one_line
from .....simulation.data.catalog import Creative, Product
from .....simulation.data.errors import InputError
from .....simulation.data.files import check_folder
from .....simulation.world import World, demo_world
from ....harness.files import write_table
from ....harness.run import Run
from ...statistics.bootstrap import Array, bootstrap
from ..options import BenchmarkOptions

EXPORTS = {"onnx": export_onnx, "int8": export_int8, "gguf": export_gguf}
FORMS: dict[str, tuple[str, str]] = {
    "transformers": ("transformers", "model.safetensors"),
    "copybandit": ("copybandit", "model.safetensors"),
    "onnx": ("onnxruntime", "model.onnx"),
    "int8": ("onnxruntime", "model.onnx"),
    "gguf": ("xllamacpp", "model.gguf"),
}
"""The package that opens each form, and the file that holds its weights."""
PROMPTS, EACH, FEW = 240, 4, 60
"""Prompts, texts for each that are judged, and prompts that are answered one at a time."""
QUICK = (12, 1, 4)
CHUNK = 1024
"""Creatives judged at once: each is judged for every user."""

Row = dict[str, Any]


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`serve`: by writer and form: MB, start-up, texts a second, memory, and what its texts are worth.

    Raises:
        InputError: what is named is no writer.
    """
    names = [name.strip() for name in (options.writers or BASE).split(",") if name.strip()]
    with tempfile.TemporaryDirectory() as temporary:
        rows = _rows({name: _checkpoint(name, Path(temporary)) for name in names}, options, run)
    return {"serve": rows, "threads": options.threads}


def _rows(places: dict[str, Path], options: BenchmarkOptions, run: Run) -> list[Row]:
    world = demo_world("shop", seed=options.run.seed, users=100 if options.run.quick else 1000)
    count, each, few = QUICK if options.run.quick else (PROMPTS, EACH, FEW)
    every = [(product, segment) for product in world.catalog.products for segment in world.audience.segments]
    order = torch.randperm(len(every), generator=torch.Generator().manual_seed(options.run.seed))
    asked = [every[i] for i in order[:count].tolist()]
    rows: list[Row] = []
    judged = _Judged(world, asked, each)
    for name, folder in places.items():
        given = _given(load_writer(str(folder)), asked, options) | {"each": each, "few": few}
        for form in FORMS:
            with run.stage(f"{name}, {form}"), tempfile.TemporaryDirectory() as temporary:
                row = _measured(form, folder, given, Path(temporary), judged)
            rows.append({"writer": name, "form": form, **row})
            run.say(_line(rows[-1]))
            write_table(run.path / "serve.csv", pd.DataFrame(rows))
    return rows


def _checkpoint(name: str, temporary: Path) -> Path:
    """The directory of a writer: the base, which is saved as a run would, a checkpoint, or a run's."""
    if name == BASE:
        save_checkpoint(load_base(WriterConfig()), temporary / CHECKPOINT, "", {}, {})
        return temporary / CHECKPOINT
    folder = Path(name)
    if (folder / "config.json").is_file():
        check_folder(folder, "take it anew from its run")
    else:
        folder = folder / CHECKPOINT
        check_checkpoint(folder)
    if not (folder / "model.safetensors").is_file():
        raise InputError(f"{name}: no writer as tune leaves it (no model.safetensors); give a run, or its checkpoint")
    return folder


def _given(writer: Writer, asked: Sequence[tuple[Product, str]], options: BenchmarkOptions) -> dict[str, Any]:
    config, tokenizer = writer.config, writer.tokenizer
    if writer.request is not None:
        raise InputError("--writers: a writer that is asked in a chat is not measured here; give one that is not")
    return {
        "prompts": [prompt(*pair) for pair in asked],
        "temperature": config.temperature,
        "most": config.max_new_tokens,
        "seed": options.run.seed,
        "threads": options.threads,
        "end": tokenizer.eos_token_id,
        "pad": tokenizer.pad_token_id,
        "context": getattr(writer.model.config, "max_position_embeddings", None) or 2048,
    }


class _Judged:
    """What texts are worth, beside those that came first."""

    def __init__(self, world: World, asked: Sequence[tuple[Product, str]], each: int) -> None:
        self._world, self._asked, self._each = world, asked, each
        self._first: Array | None = None
        self._greedy: list[str] | None = None

    def of(self, sampled: Sequence[str], greedy: Sequence[str], form: str) -> Row:
        """`gold` is relative to the first writer's by transformers; `same` the share of greedy texts that are those of
        transformers for this writer.
        """
        pairs = [pair for pair in self._asked for _ in range(self._each)]
        texts = [one_line(filled(text.strip(), prompt(*pair))) for text, pair in zip(sampled, pairs, strict=True)]
        creatives = [Creative(p.product_id, text, whom) for (p, whom), text in zip(pairs, texts, strict=True)]
        reward = _worth(self._world, creatives).reshape(-1, self._each).mean(1)
        first = self._first = reward if self._first is None else self._first
        both = np.stack([reward, first], axis=1)
        gold = bootstrap(both, lambda sums: sums[..., 0] / sums[..., 1] - 1, np.random.default_rng(0))
        if form == "transformers":
            self._greedy = list(greedy)
        same = np.mean([one == other for one, other in zip(greedy, self._greedy or greedy, strict=True)])
        garbled = self._world.reader.read(creatives).garbled
        return {"same": float(same), "readable": float((garbled < 0.5).float().mean()), "gold": gold}


def _worth(world: World, creatives: Sequence[Creative]) -> Array:
    """[n] gold reward an impression of each creative, over the users that it is written for."""
    segment = torch.tensor([world.audience.segments.index(creative.audience) for creative in creatives])
    worth = []
    for start in range(0, len(creatives), CHUNK):
        rates = world.gold(creatives[start : start + CHUNK])
        weight = (world.audience.segment[:, None] == segment[start : start + CHUNK]) * world.audience.activity[:, None]
        reward = rates.click * (1 + CONVERSION_VALUE * rates.convert)
        worth.append((reward * weight).sum(0) / weight.sum(0))
    return torch.cat(worth).double().numpy()


def _measured(form: str, folder: Path, given: dict[str, Any], temporary: Path, judged: _Judged) -> Row:
    """A row, or why there is none."""
    package, file = FORMS[form]
    try:
        at = version("copybandit" if form == "copybandit" else package)
        where = folder
        if form in EXPORTS:
            where = temporary / "exported"
            EXPORTS[form](folder, where)
    except (PackageNotFoundError, InputError) as error:
        missing = isinstance(error, PackageNotFoundError)
        return {"absent": f"pip install {package}" if missing else str(error)}
    found = _child(form, where, given, temporary / "found.json")
    figures = {name: found[name] for name in ("start", "one", "many")}
    megabytes = {"megabytes": (where / file).stat().st_size / 1e6, "memory_megabytes": found["memory"] / 1e6}
    return {"version": at, **megabytes, **figures, **judged.of(found["sampled"], found["greedy"], form)}


def _child(form: str, folder: Path, given: dict[str, Any], to: Path) -> dict[str, Any]:
    """In a process of its own, whose start and memory are then its own."""
    command = [sys.executable, "-m", f"{__package__}.runtimes", form, str(folder.resolve()), str(to)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(given["threads"])}
    done = subprocess.run(
        command, input=json.dumps(given), text=True, env=environment, capture_output=True, check=False
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise RuntimeError(f"{form}: its process ended with code {done.returncode} ({last[0]})")
    return json.loads(to.read_text(encoding="utf-8"))


def _line(row: Row) -> str:
    name = f"{row['writer']}, {row['form']}"
    if "absent" in row:
        return f"{name}: not measured; {row['absent']}"
    many = "" if row["many"] is None else f", {row['many']:,.0f} in batches"
    gold = row["gold"]
    return (
        f"{name}: {row['megabytes']:.1f} MB, first text after {row['start']:.1f} s, {row['one']:,.0f} texts a "
        f"second{many}; memory {row['memory_megabytes']:,.0f} MB; greedy as transformers {row['same']:.1%}; readable "
        f"{row['readable']:.1%}; gold reward {gold['mean']:+.1%} ({gold['low']:+.1%} to {gold['high']:+.1%})"
    )
