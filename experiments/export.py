"""Give me the checkpoint: a directory that Hugging Face tools, or ONNX Runtime, open without Copybandit."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..policies.writer.checkpoint import CHECKPOINT, copy_checkpoint
from ..policies.writer.onnx_model import export_onnx
from ..simulation.data.errors import InputError


@dataclass(frozen=True)
class ExportOptions:
    """Options of `copybandit export`."""

    run: Annotated[Path, tyro.conf.Positional]
    """Directory of a finished `loop` or `tune` run."""
    to: Path
    """Where the checkpoint goes: a directory that does not exist yet, or is empty."""
    format: Literal["huggingface", "onnx"] = "huggingface"
    """As it is, or as a graph for ONNX Runtime (the extra `onnx`)."""


def run_export(options: ExportOptions) -> Path:
    """`copybandit export RUN --to DIR`.

    Raises:
        InputError: RUN holds no checkpoint, or one that is torn or altered, DIR is in use, or what the format needs is
            absent.
    """
    if options.to.exists() and (not options.to.is_dir() or any(options.to.iterdir())):
        raise InputError(f"{options.to}: is there already and not empty; choose another --to, or move it away")
    write = export_onnx if options.format == "onnx" else copy_checkpoint
    write(options.run / CHECKPOINT, options.to)
    return options.to
