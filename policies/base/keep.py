"""The base as it is kept: half-precision safetensors, tokenizer and a card; `--model` begins with it."""

from pathlib import Path
from typing import Any

import jinja2

from ...simulation.data.files import write_folder
from ..writer.writer import Writer

_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
license: apache-2.0
tags: [copybandit, advertising]
---
# Base of the writer of ad copy

A small GPT-2 that continues a prompt (title | brand | attributes | audience =>) with one line of copy. It has read
lines of a grammar and phrases for any product, filled for products that do not exist, and headlines of stories that
never happened; it knows English alone, and no real brand. It names what its prompt holds by placeholders, such as
`{{ "{{title}}" }}` and `{{ "{{weight1}}" }}`, which Copybandit fills.

Made by `{{ command }}`.

| | |
|---|---|
{% for name, value in facts.items() -%}
| {{ name }} | {{ value }} |
{% endfor %}"""


def save_base(writer: Writer, directory: Path, command: str, facts: dict[str, Any]) -> None:
    """Writes weights in half precision, the tokenizer and a card: all of it, or nothing.

    Args:
        writer: that was pretrained; it comes back as it was.
        directory: made if need be.
        command: that made it.
        facts: rows of the card.
    """
    card = jinja2.Template(_CARD).render(command=command, facts=facts)

    def write(folder: Path) -> None:
        writer.model.half()
        writer.save(folder)
        writer.model.float()
        (folder / "README.md").write_text(f"{card.rstrip()}\n", encoding="utf-8")

    write_folder(directory, write)
