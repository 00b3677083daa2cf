"""Weights & Biases, for those who want it: the figures of a run, as they come."""

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from ...simulation.data.errors import InputError
from .config import flat, plain
from .options import RunParts


class Tracker:
    """A run in Weights & Biases, under the project `copybandit`; WANDB_* variables and its own settings apply."""

    def __init__(self, options: RunParts, path: Path) -> None:
        """Makes sure that the library is there; the run begins with the first figures.

        Raises:
            InputError: it is not installed.
        """
        try:
            self._wandb: Any = import_module("wandb")
        except ImportError:
            raise InputError("--track wandb: wandb is not installed; pip install 'copybandit[wandb]'") from None
        self.options, self.path = options, path

    @cached_property
    def _run(self) -> Any:
        settings = self._wandb.Settings(console="off", silent=True)
        config = plain(self.options)
        run = self._wandb.init(
            project="copybandit", name=self.path.name, dir=str(self.path), config=config, settings=settings
        )
        run.define_metric("*", step_metric="step")
        return run

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Sends figures; `step` is one of them, as figures of one step need not come together."""
        self._run.log({"step": step, **values})

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Sends the figures of summary.json that are numbers, and ends the run."""
        self._run.summary.update(flat_numbers(summary))
        self._run.finish()


def flat_numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    """{'lift': {'ctr': {'mean': 0.1}}} -> {'lift.ctr.mean': 0.1}; what is no number is left out."""
    return {k: v for k, v in flat(summary).items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
