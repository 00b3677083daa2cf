"""What a broken-off tuning goes on from: one file a saved step, whole or not there, that notices when it is damaged."""

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from ...simulation.data.errors import InputError
from ...simulation.data.tensor_file import FormatError, load_tensors, save_tensors
from ..writer.writer import Writer, load_weights, own_weights

KIND, FORMAT_VERSION = "tuning state", 4
KEPT = 2
"""Newest files that are kept: a damaged one leaves the one before."""
_NAME = "step-{:08d}.safetensors"
_REMEDY = "resume it with the Copybandit that wrote it, or start anew"


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
        """Writes a whole file, and lets old states go."""
        self.path.mkdir(parents=True, exist_ok=True)
        facts = {"step": state.step, "identity": self.identity, **state.facts}
        save_tensors(
            self.path / _NAME.format(state.step), state.tensors, facts, kind=KIND, format_version=FORMAT_VERSION
        )
        for old in self._files()[KEPT:]:
            old.unlink()

    def latest(self) -> TuningState | None:
        """The newest undamaged state, or None where there is none.

        Raises:
            InputError: it was saved by another format version, model, tokenizer, catalog or settings.
        """
        for path in self._files():
            try:
                tensors, facts = load_tensors(path, kind=KIND, format_version=FORMAT_VERSION, remedy=_REMEDY)
            except FormatError:
                raise
            except InputError as error:
                self.damaged.append(str(error).removesuffix(f"; {_REMEDY}"))
                continue
            self._compare(path, facts.pop("identity"))
            return TuningState(facts.pop("step"), tensors, facts)
        return None

    def _files(self) -> list[Path]:
        """Newest first."""
        return sorted(self.path.glob("step-*.safetensors"), reverse=True)

    def _compare(self, path: Path, found: dict[str, str]) -> None:
        for name, value in self.identity.items():
            if found.get(name) != value:
                raise InputError(
                    f"{path}: saved with another {name}; resume with the one it was saved with, or start anew"
                )


def short_hash(value: Any) -> str:
    """A short hash of anything whose `repr` says all: mappings in any order."""
    ordered = sorted(value.items()) if isinstance(value, dict) else value
    return hashlib.sha256(repr(ordered).encode()).hexdigest()[:16]


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
