"""Writer checkpoints: a Hugging Face directory with a model card, good without Copybandit."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from ...simulation.data.errors import InputError
from ...simulation.data.files import check_folder, sealed_files, write_folder
from .placeholders import held

if TYPE_CHECKING:
    from .writer import Writer  # transformers takes seconds, which who reads a run need not wait

CAVEAT = "Lift in simulation is not real lift: it says what the simulated users would do, not what yours will."
"""The sentence that goes wherever a figure from the simulated world is shown."""

COMPLIANCE = "compliance.json"
"""Says how many of a run's texts rules refuse."""
CHECKPOINT = "checkpoint"
"""Name of a run's checkpoint in its directory."""

_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
tags: [copybandit, advertising]
---
# Ad copy writer by Copybandit

**{{ caveat }}**

Continues a prompt (product, brand, details, audience) with one ad line:

```python
from transformers import pipeline

write = pipeline("text-generation", "THIS_DIRECTORY")
text = write({{ prompt }}, return_full_text=False)[0]["generated_text"]
```
{% if words %}
It names what the prompt holds by placeholders, as templates of dynamic ads do, so that no title comes out garbled:

```python
for name, word in {{ words }}.items():
    text = text.replace("{{ "{{" }}" + name + "{{ "}}" }}", word)
```

A text that still has a placeholder then speaks of what the prompt does not hold: leave it out, and write another.
`load_writer` of Copybandit never writes one.
{% endif %}
## How it was made
| | |
|---|---|
{% for name, value in facts.items() -%}
| {{ name }} | {{ value }} |
{% endfor %}
## Figures
Simulated users, gold expectation; this writer against the untuned one, 95% interval over users and products.

| figure | value |
|---|---|
{% for name, value in figures.items() -%}
| {{ name }} | {{ value }} |
{% endfor %}"""


def save_checkpoint(
    writer: "Writer",
    directory: Path,
    prompt: str,
    facts: dict[str, Any],
    figures: dict[str, Any],
    compliance: dict[str, Any] | None = None,
) -> None:
    """Writes weights, tokenizer, generation settings and a model card (README.md): all of it, or nothing.

    Args:
        writer: what is saved.
        directory: made if need be; what was in it is replaced.
        prompt: an example, for the card.
        facts: rows of the card on how the writer was made (data, reward weights, seed, KL).
        figures: rows of the card on how well it does (proxy and gold).
        compliance: how many of its texts were refused, by which rules, for `compliance.json`; None if nobody looked.
    """
    words = held(prompt) if writer.has_placeholders else {}
    example = {"prompt": repr(writer.asked(prompt)), "words": words}
    card = jinja2.Template(_CARD).render(caveat=CAVEAT, **example, facts=facts, figures=figures)

    def write(folder: Path) -> None:
        writer.save(folder)
        (folder / "README.md").write_text(card, encoding="utf-8")
        if compliance is not None:
            told = json.dumps(compliance, indent=2, ensure_ascii=False)
            (folder / COMPLIANCE).write_text(f"{told}\n", encoding="utf-8")

    write_folder(directory, write)


def check_checkpoint(directory: Path) -> None:
    """Refuses a checkpoint that is not there, or no longer as it was saved.

    Raises:
        InputError: naming what is wrong with it.
    """
    if not directory.is_dir():
        raise InputError(f"{directory.parent}: no finished checkpoint in it; give the directory of a loop or tune run")
    check_folder(directory, "run it again, or give another run")


def copy_checkpoint(directory: Path, to: Path) -> None:
    """Checks a checkpoint, and copies it whole or not at all.

    Raises:
        InputError: see `check_checkpoint`.
    """
    check_checkpoint(directory)
    names = sealed_files(directory)

    def copy(folder: Path) -> None:
        for name in names:  # and nothing else: what lies beside them may be a link to anywhere
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(directory / name, folder / name)

    write_folder(to, copy)
