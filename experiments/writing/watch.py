"""Looks at a writer along its tuning: proxy, validation and gold, which weights to keep, and when to stop."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ...policies.effect.contract import CLICK, CONVERT
from ...policies.reward.scored_texts import ScoredTexts
from ...policies.tuning.contract import Tuner, Update
from ...policies.tuning.training_state import StateDirectory
from ...policies.writer.likelihood import kl_between
from ...policies.writer.writer import Writer, load_weights, own_weights
from ..harness.run import Run
from ..study.study import Study, sample_prompts, write_for
from .options import TuneOptions
from .verdict import judge

PREFIX = "watch/"


class Watch:
    """Keeps the curve of proxy, validation and gold, and the weights that validate best.

    The gold is there for the report alone: what stops tuning and chooses the weights is the validation model.
    """

    def __init__(self, study: Study, options: TuneOptions, run: Run, scored: ScoredTexts) -> None:
        """Draws the prompts that are looked at; the writer is untuned yet."""
        self.study, self.options, self.run, self.scored = study, options, run, scored
        self.tuner: Tuner = options.tuner.tuner
        self.writer: Writer = study.writer
        self.prompts = sample_prompts(study.asked, options.watch.watched_prompts, options.run.seed + 3)
        self.curve: list[dict[str, float]] = []
        self.start = self.best = own_weights(study.writer)

    def look(self, step: int) -> None:
        """Adds a point to the curve, from the same prompts and random numbers every time."""
        seed = self.options.run.seed
        texts = write_for(self.writer, self.prompts, 2, seed + 4)
        rewards = self.scored.reward(texts, torch.arange(len(self.prompts)).repeat_interleave(2))
        kl = kl_between(self.writer, self.start, self.prompts, seed + 9, n=1) if step else 0.0
        verdict, value = judge(self.study.world, texts), self.options.conversion_value
        assert self.study.validation is not None
        rates = self.study.validation.predict(texts).rates
        point = {
            "step": step,
            "sqrt_kl": math.sqrt(max(kl, 0.0)),
            "proxy": float(rewards.total.mean()),
            "validation": float((rates[:, CLICK] * (1 + value * rates[:, CONVERT])).mean()),
            "gold": verdict.total_ctr() * (1 + value * verdict.total_cvr()),
            "gold_ctr": verdict.total_ctr(),
            "gold_cvr": verdict.total_cvr(),
        }
        self.curve.append(point)
        figures = {PREFIX + name: value for name, value in point.items() if name != "step"}
        self.run.record(step, figures if self.tuner.on_policy else {"kl": kl, **rewards.means(), **figures})
        if self.chosen == point:
            self.best = own_weights(self.writer)

    @property
    def chosen(self) -> dict[str, float]:
        """The point that validates best; of equals the first."""
        return max(self.curve, key=lambda point: point["validation"])

    def after(self, update: Update, states: StateDirectory) -> str | None:
        """What follows an update: figures are recorded; now and then the writer is looked at and a state is saved.

        Returns:
            Why tuning should end, if it should.
        """
        step, looks = update.step, self.options.watch.looks
        self.run.record(step, update.metrics)
        if step * looks // self.tuner.updates == (step - 1) * looks // self.tuner.updates:
            return None
        self.look(step)
        reason = self._lost_patience()
        state = update.snapshot()
        state.tensors |= {f"best.{name}": weight for name, weight in self.best.items()}
        state.tensors |= {f"scored.{name}": part for name, part in self.scored.state().items()}
        state.facts["stopped"] = reason or ""
        states.save(state)
        return reason

    def _lost_patience(self) -> str | None:
        looks = len(self.curve) - 1 - self.curve.index(self.chosen)
        if looks < self.options.watch.patience:
            return None
        return f"the validation model saw nothing better for {looks} looks"

    def restore(self, recorded: pd.DataFrame, best: Mapping[str, Tensor]) -> None:
        """Puts back the curve of a session that was broken off, from what metrics.csv says of it."""
        rows = recorded[recorded["name"].str.startswith(PREFIX)]
        for step, part in rows.groupby("step"):
            values = dict(zip(part["name"].str.removeprefix(PREFIX), part["value"], strict=True))
            self.curve.append({"step": int(str(step)), **values})
        self.best = dict(best)

    def keep_best(self) -> dict[str, Any]:
        """Gives the writer the weights that validated best.

        Returns:
            For summary.json: which step that was, and its gold as a share of the best gold along the run.
        """
        load_weights(self.writer, self.best)
        chosen, best = self.chosen, max(point["gold"] for point in self.curve)
        return {"step": int(chosen["step"]), "kl": chosen["sqrt_kl"] ** 2, "gold_of_best": chosen["gold"] / best}
