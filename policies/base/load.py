"""The base as it is kept: half-precision safetensors, tokenizer and a card; how a writer begins with it."""

from pathlib import Path
from typing import Any

import jinja2
import torch

from ...simulation.data.errors import InputError
from ..writer.loading import load_model
from ..writer.writer import Writer, WriterConfig

WEIGHTS = Path(__file__).parent / "weights"
"""The base that is shipped."""

_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
license: apache-2.0
tags: [copybandit, advertising]
---
# Base of the writer of ad copy

A small GPT-2 that continues a prompt (title | brand | attributes | audience =>) with one line of copy. It has read
lines for products that do not exist, and headlines of stories that never happened; it knows English alone, and no real
brand.

Made by `{{ command }}`.

| | |
|---|---|
{% for name, value in facts.items() -%}
| {{ name }} | {{ value }} |
{% endfor %}"""


def save_base(writer: Writer, directory: Path, command: str, facts: dict[str, Any]) -> None:
    """Writes weights in half precision, the tokenizer and a card.

    Args:
        writer: that was pretrained; it comes back as it was.
        directory: made if need be.
        command: that made it.
        facts: rows of the card.
    """
    directory.mkdir(parents=True, exist_ok=True)
    writer.model.half()
    writer.save(directory)
    writer.model.float()
    card = jinja2.Template(_CARD).render(command=command, facts=facts)
    (directory / "README.md").write_text(f"{card.rstrip()}\n", encoding="utf-8")


def load_base(config: WriterConfig, directory: Path = WEIGHTS, device: torch.device | str = "cpu") -> Writer:
    """A writer that begins with the base.

    Args:
        config: how it samples; the base has its own sizes.
        directory: of a base that `copybandit pretrain` made; by default the one that is shipped.
        device: where it goes.

    Raises:
        InputError: there is no base in the directory, or it is damaged.
    """
    if not (directory / "config.json").is_file():
        raise InputError(f"{directory}: no base in it; make one by `copybandit pretrain`, and give RUN/base as --model")
    tokenizer, model = load_model(str(directory), seed=0)
    return Writer(model.to(device), tokenizer, config)
