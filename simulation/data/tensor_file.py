"""Tensors and facts in one file: safetensors, with JSON and a digest of everything in its header. Never a pickle."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from .errors import InputError
from .files import ANEW, parse_json, read_checked, write_whole


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any], *, kind: str, format_version: int
) -> None:
    """Writes a whole file that `load_tensors` reads.

    Args:
        path: where to.
        tensors: by name, on any device; two names may share memory.
        facts: what is no tensor, as JSON holds it; their order is kept.
        kind: what the file is, such as world.
        format_version: of what the caller writes.
    """
    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(facts, ensure_ascii=False)
    header = {"kind": kind, "format_version": str(format_version), "facts": text, "digest": _digest(held, text)}
    write_whole(path, lambda beside: save_file(held, beside, header))


def load_tensors(
    path: Path, *, kind: str, format_version: int, remedy: str = ANEW, finite: bool = False
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts, on the CPU.

    Args:
        path: what `save_tensors` wrote.
        kind: the only one that is read.
        format_version: the only one that is read.
        remedy: what a user can do when the file is no good, as the end of a sentence.
        finite: whether all of its numbers have to be: what was learned once, and weighs what nobody has seen yet.

    Raises:
        FormatError: another format version.
        InputError: no such file, or one that is torn, altered or of another kind.
    """

    def read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, facts = _read(file, kind, format_version, remedy)
        wrong = [name for name, one in tensors.items() if one.is_floating_point() and not one.isfinite().all()]
        if finite and wrong:
            raise ValueError(f"'{wrong[0]}' holds what is no number")
        return tensors, facts

    return read_checked(path, read, remedy)


def in_parts(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a nested state, for `save_tensors`: arrays become float32 tensors, named by their path.

    Args:
        state: dicts and lists of arrays, tensors and what JSON holds.
    """
    tensors: dict[str, Tensor] = {}

    def part(value: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            return {str(key): part(inner, f"{path}/{key}") for key, inner in value.items()}
        if isinstance(value, np.ndarray | Tensor):
            tensor = torch.as_tensor(np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value)
            tensors[path] = tensor.float() if tensor.is_floating_point() else tensor
            return {TENSOR: path}
        if isinstance(value, list | tuple):
            return [part(inner, f"{path}/{i}") for i, inner in enumerate(value)]
        return value

    return tensors, {key: part(value, key) for key, value in state.items()}


def as_one(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The state that `in_parts` took apart, its arrays as numpy arrays."""

    def whole(value: Any) -> Any:
        if isinstance(value, Mapping):
            return tensors[value[TENSOR]].numpy() if TENSOR in value else {k: whole(v) for k, v in value.items()}
        return [whole(inner) for inner in value] if isinstance(value, list) else value

    return {key: whole(value) for key, value in facts.items()}


TENSOR = "<tensor>"
"""Key that stands, in facts, for a tensor of that path."""


class FormatError(InputError):
    """A file of another format version: whole, and not for this Copybandit."""


def _read(path: Path, kind: str, format_version: int, remedy: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(path, "pt") as file:
        header = file.metadata() or {}
        if header.get("kind") != kind:
            raise ValueError(f"not a {kind} file")
        version = header.get("format_version")
        if version != str(format_version):
            raise FormatError(
                f"{path}: {kind} file of format {version}, this Copybandit reads {format_version}; {remedy}"
            )
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    if header.get("digest") != _digest(tensors, header["facts"]):
        raise ValueError("its content does not match its digest")
    facts = parse_json(header["facts"])
    if not isinstance(facts, dict):
        raise ValueError("its facts have no names")
    return tensors, facts


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
