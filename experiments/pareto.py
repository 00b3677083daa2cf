"""What does diversity cost? Writers tuned for more and less of it, and those between, which cost no tuning."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from torch import Tensor

from ..policies.reward.scored_texts import ScoredTexts
from ..policies.tuning.contract import Tuner
from ..policies.tuning.ppo import PpoConfig
from ..policies.tuning.registry import TUNERS
from ..policies.tuning.rloo_grpo import GrpoConfig, RlooConfig
from ..policies.writer.writer import load_weights, own_weights
from ..simulation.data.errors import InputError
from .analysis.report.page import write_report
from .analysis.statistics.fronts import front
from .harness.files import write_table
from .harness.options import Flat, Idle, refuse_below
from .harness.run import Run
from .study.begin import make_study
from .study.options import StudyOptions
from .study.study import Study, write_for
from .writing.options import idle_tuners
from .writing.tuning import frozen_reward, tuning_stage, warm_start_stage
from .writing.verdict import judge, vendi_of


@dataclass(frozen=True)
class WeighingTuners:
    """Ways of tuning that learn from the whole reward, diversity included, and so have a price for it."""

    ppo: PpoConfig = field(default_factory=PpoConfig)
    rloo: RlooConfig = field(default_factory=RlooConfig)
    grpo: GrpoConfig = field(default_factory=GrpoConfig)


@dataclass(frozen=True)
class ParetoOptions(StudyOptions):
    """Options of `copybandit pareto`."""

    algorithm: Literal["ppo", "rloo", "grpo"] = "ppo"
    """How each writer is tuned: by a way that learns from the whole reward."""
    weights: str = "0,0.2,0.4,0.6"
    """Weights of diversity, separated by commas: a writer is tuned for each; clicks and conversions share the rest."""
    between: int = 3
    """Writers looked at between those of the first and the last weight, by interpolating what they learned."""
    tuners: Flat[WeighingTuners] = field(default_factory=WeighingTuners)

    def __post_init__(self) -> None:
        found = self.shares()
        if len(found) < 2 or min(found) < 0 or max(found) >= 1:
            raise InputError(f"--weights {self.weights}: give two or more numbers from 0 to below 1")
        super().__post_init__()
        refuse_below(self, between=0)

    def idle(self) -> Idle:
        """What the parts mean for each other."""
        found = idle_tuners({self.algorithm}, f"with --algorithm {self.algorithm}")
        return {**super().idle(), **found, "reward.w-div": "beside --weights, which sets it"}

    @property
    def tuner(self) -> Tuner:
        """The way that is asked for."""
        return TUNERS[self.algorithm](getattr(self.tuners, self.algorithm))

    def shares(self) -> list[float]:
        """The weights of diversity.

        Raises:
            InputError: one of them is no number.
        """
        try:
            return [float(part) for part in self.weights.split(",")]
        except ValueError:
            raise InputError(f"--weights {self.weights}: give numbers separated by commas") from None


def run_pareto(options: ParetoOptions) -> Path:
    """`copybandit pareto`: leaves gold reward and Vendi score of every writer, and which no other beats in both."""
    run = Run("pareto", options)
    study = make_study(options, run)
    warm_start_stage(study, options, run)
    start = own_weights(study.writer)
    rows, ends = [{"writer": "untuned", "share": None, **_judged(study, options)}], []
    for share in options.shares():
        load_weights(study.writer, start)
        _tune(study, options, share, run)
        rows.append({"writer": "tuned", "share": share, **_judged(study, options)})
        ends.append(own_weights(study.writer))
    for part in np.linspace(0, 1, options.between + 2)[1:-1]:
        load_weights(study.writer, interpolated(ends[0], ends[-1], float(part)))
        rows.append({"writer": "interpolated", "share": float(part), **_judged(study, options)})
    table = pd.DataFrame(rows)
    table["front"] = front(table[["reward", "vendi"]].to_numpy(np.float64))
    write_table(run.path / "pareto.csv", table)
    run.finish({"command": "pareto", "pareto": table.astype(object).where(table.notna(), None).to_dict("records")})
    run.say(table.to_string(index=False))
    write_report(run.path)
    return run.path


def _tune(study: Study, options: ParetoOptions, share: float, run: Run) -> None:
    """Weights of clicks and conversions keep their proportion."""
    effect = options.reward.w_ctr + options.reward.w_cvr
    scaled = {name: (1 - share) * getattr(options.reward, name) / effect for name in ("w_ctr", "w_cvr")}
    weighted = dataclasses.replace(options, reward=dataclasses.replace(options.reward, w_div=share, **scaled))
    scored = ScoredTexts(frozen_reward(study, weighted), study.asked)
    tuning_stage(study, options.tuner, scored, run, seed=options.run.seed, name=f"diversity {share:.2f}")


def _judged(study: Study, options: ParetoOptions) -> dict[str, Any]:
    texts = write_for(study.writer, study.asked, options.writing.samples, options.run.seed + 1)
    verdict = judge(study.world, texts)
    reward = verdict.total_ctr() * (1 + options.conversion_value * verdict.total_cvr())
    return {"reward": reward, "vendi": vendi_of(texts)}


def interpolated(first: Mapping[str, Tensor], last: Mapping[str, Tensor], part: float) -> dict[str, Tensor]:
    """Weights on the way from one writer to another that was tuned from the same start (Rame et al., "Rewarded Soups",
    NeurIPS 2023): where tuning moved little, what they do lies between too.
    """
    return {name: (1 - part) * weight + part * last[name] for name, weight in first.items()}
