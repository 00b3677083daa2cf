"""What a broken-off tuning goes on from: one file a saved step, whole or not there, that notices when it is damaged."""

import copy
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from ...simulation.data.errors import InputError
from ..writer.writer import Writer, load_weights, own_weights

FORMAT_VERSION = 2
KEPT = 2
"""Newest files that are kept: a damaged one leaves the one before."""
_NAME = "step-{:08d}.safetensors"


@dataclass
class TuningState:
    """Everything that a further update depends on, after `step` updates."""

    step: int
    tensors: dict[str, Tensor]
    """By name; `policy.`, `optimizer.`, `best.` and `scored.` say whose they are."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What is no tensor, as JSON holds it."""

    def part(self, owner: str) -> dict[str, Tensor]:
        """Tensors of one owner, its prefix taken off."""
        return {name.removeprefix(f"{owner}."): t for name, t in self.tensors.items() if name.startswith(f"{owner}.")}


class StateDirectory:
    """The saved states of one run, all made by the same model, tokenizer, catalog and settings."""

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        """Names the directory; it is made with the first state.

        Args:
            path: of the directory.
            identity: what a state must have come from to be of use, by name; compared word for word.
        """
        self.path, self.identity = path, dict(identity)
        self.damaged: list[str] = []
        """Files that `latest` passed over, and why."""

    def save(self, state: TuningState) -> None:
        """Writes under a temporary name, reaches the disk, takes its name, and lets old states go."""
        self.path.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
        facts = json.dumps({"step": state.step, "identity": self.identity, **state.facts}, sort_keys=True)
        header = {"format_version": str(FORMAT_VERSION), "facts": facts, "digest": _digest(tensors, facts)}
        write_whole(self.path / _NAME.format(state.step), lambda path: save_file(tensors, path, header))
        for old in self._files()[KEPT:]:
            old.unlink()

    def latest(self) -> TuningState | None:
        """The newest undamaged state, or None where there is none.

        Raises:
            InputError: it was saved by another format version, model, tokenizer, catalog or settings.
        """
        for path in self._files():
            try:
                return self._read(path)
            except _DamagedError as error:
                self.damaged.append(f"{path}: {error}")
        return None

    def _files(self) -> list[Path]:
        """Newest first."""
        return sorted(self.path.glob("step-*.safetensors"), reverse=True)

    def _read(self, path: Path) -> TuningState:
        try:
            with safe_open(path, "pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, OSError) as error:
            raise _DamagedError(str(error).splitlines()[0]) from None
        version = header.get("format_version")
        if version != str(FORMAT_VERSION):
            raise InputError(
                f"{path}: state of format version {version}, this is {FORMAT_VERSION}; resume it with the Copybandit "
                "that wrote it, or start anew"
            )
        if header.get("digest") != _digest(tensors, header.get("facts", "")):
            raise _DamagedError("its content does not match its digest")
        facts = json.loads(header["facts"])
        self._compare(path, facts.pop("identity"))
        return TuningState(facts.pop("step"), tensors, facts)

    def _compare(self, path: Path, found: dict[str, str]) -> None:
        for name, value in self.identity.items():
            if found.get(name) != value:
                raise InputError(
                    f"{path}: saved with another {name}; resume with the one it was saved with, or start anew"
                )


class _DamagedError(Exception):
    """A file that cannot be used, and no fault of the user's."""


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def short_hash(value: Any) -> str:
    """A short hash of anything whose `repr` says all: mappings in any order."""
    ordered = sorted(value.items()) if isinstance(value, dict) else value
    return hashlib.sha256(repr(ordered).encode()).hexdigest()[:16]


def write_whole(path: Path, write: Any) -> None:
    """Lets `write` fill a temporary file beside `path` that takes its name once it is on the disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    write(temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Copies of an optimizer's state as tensors by `parameter number.name`, and the rest of it as plain values."""
    state = copy.deepcopy(optimizer.state_dict())
    tensors = {f"{i}.{name}": torch.as_tensor(v) for i, values in state["state"].items() for name, v in values.items()}
    return tensors, {"param_groups": state["param_groups"]}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Puts back what `optimizer_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": rest["param_groups"]})


def take_state(
    step: int, writer: Writer, optimizer: torch.optim.Optimizer, schedule: LRScheduler, **facts: Any
) -> TuningState:
    """Weights, optimizer and schedule; data order and random numbers follow from seed and step."""
    tensors, rest = optimizer_tensors(optimizer)
    tensors = {f"optimizer.{name}": tensor for name, tensor in tensors.items()}
    tensors |= {f"policy.{name}": tensor for name, tensor in own_weights(writer).items()}
    return TuningState(step, tensors, {"optimizer": rest, "schedule": copy.deepcopy(schedule.state_dict()), **facts})


def put_back(state: TuningState, writer: Writer, optimizer: torch.optim.Optimizer, schedule: LRScheduler) -> None:
    """Puts back what `take_state` took."""
    load_weights(writer, state.part("policy"))
    load_optimizer(optimizer, state.part("optimizer"), state.facts["optimizer"])
    schedule.load_state_dict(state.facts["schedule"])
