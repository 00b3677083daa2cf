"""Give me the checkpoint: a directory that Hugging Face tools, ONNX Runtime or llama.cpp open without Copybandit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..policies.writer.checkpoint import CHECKPOINT, copy_checkpoint
from ..policies.writer.gguf_model import export_gguf
from ..policies.writer.onnx_model import export_int8, export_onnx
from ..simulation.data.errors import InputError
from .harness.files import write_json
from .writing.memorised import carried

FORMS = {"huggingface": copy_checkpoint, "onnx": export_onnx, "int8": export_int8, "gguf": export_gguf}


@dataclass(frozen=True)
class ExportOptions:
    """Options of `copybandit export`."""

    run: Annotated[Path, tyro.conf.Positional]
    """Directory of a finished `loop` or `tune` run."""
    to: Path | None = None
    """Where the checkpoint goes: a directory that does not exist yet, or is empty. With --check it may be left out."""
    format: Literal["huggingface", "onnx", "int8", "gguf"] = "huggingface"
    """As it is; as a graph for ONNX Runtime, its weights in 32 bits (onnx) or in 8 (int8; both by the extra `onnx`); or
    as a file for llama.cpp (the extra `gguf`)."""
    check: bool = False
    """First says what it carries of the ads that it learned from, and of this machine; it warns, and refuses nothing.
    Figures go to TO.check.json."""


def run_export(options: ExportOptions) -> Path:
    """`copybandit export RUN --to DIR`, `copybandit export RUN --check`.

    Raises:
        InputError: RUN holds no checkpoint, or one that is torn or altered, DIR is in use, what the format needs is
            absent, or what RUN learned from is not there to be compared with.
    """
    to = options.to
    if to is None and not options.check:
        raise InputError("give --to, where the checkpoint goes; with --check alone it is looked through and stays")
    if to is not None and to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InputError(f"{to}: is there already and not empty; choose another --to, or move it away")
    figures = None if to is None or not options.check else to.absolute().with_name(f"{to.absolute().name}.check.json")
    if figures is not None and figures.exists():
        raise InputError(f"{figures}: is there already; move it away, or choose another --to")
    if options.check:
        found = carried(options.run)
        print("\n".join(found.lines()))
        if figures is not None:
            figures.parent.mkdir(parents=True, exist_ok=True)
            write_json(figures, found.facts)
    if to is None:
        return options.run
    FORMS[options.format](options.run / CHECKPOINT, to)
    return to
