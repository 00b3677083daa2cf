"""What does tuning the writer give? Warm start, PPO on the effect model's word, and the verdict of the gold world."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..policies.checkpoint import save_checkpoint
from ..policies.diversity import vendi
from ..policies.effect import CLICK, CONVERT
from ..policies.ppo import Update, tune
from ..policies.reward import Reward
from ..policies.warm_start import warm_start
from ..policies.writer import Writer, prompt
from ..simulation.catalog import Creative
from ..simulation.encoder import TextEncoder
from .analysis.data_sheet import data_sheet
from .analysis.report import write_report
from .analysis.statistics import Interval
from .analysis.verdict import Verdict, judge, lifts
from .archive_study import archive_study
from .runs import Run
from .study import Study, StudyOptions, sample_prompts, shop_study

PILOT_PROMPTS = 256
"""Prompts whose texts by the untuned writer freeze the reward's statistics."""
WATCHED_PROMPTS = 160
"""Prompts looked at along the run, for the curve of proxy against gold."""


@dataclass(frozen=True)
class TuneOptions(StudyOptions):
    """Options of `copybandit tune`."""


@dataclass
class Tuning:
    """What tuning leaves in memory."""

    writer: Writer
    untuned: list[Creative]
    tuned: list[Creative]
    verdicts: dict[str, Verdict]
    """By writer: untuned, tuned."""
    summary: dict[str, Any]
    """Its part of summary.json."""
    updates: list[Update] = field(default_factory=list)


def run_tune(options: TuneOptions) -> Path:
    """`copybandit tune`: tunes the writer and leaves checkpoint, learning curves and report."""
    run = Run("tune", options)
    study = make_study(options, run)
    tuning = tune_writer(study, options, run)
    run.finish(tuning.summary)
    write_report(run.path)
    return run.path


def make_study(options: StudyOptions, run: Run) -> Study:
    """The study that the options ask for; from here on, torch sums in a fixed order on the CPU.

    Raises:
        InputError: an option or a file is no good.
    """
    if options.torch_device().type == "cpu":
        # Threads that add into the same place in no fixed order would change the last bits, and PPO all that follows.
        torch.use_deterministic_algorithms(True, warn_only=True)
    return shop_study(options, run) if options.archive is None else archive_study(options, run)


def tune_writer(study: Study, options: StudyOptions, run: Run) -> Tuning:
    """Warm start, frozen reward, PPO, verdict; leaves `checkpoint/` and `creatives.parquet` in the run's directory."""
    writer = study.writer
    with run.stage("warm start", total=options.warm_start.lines) as stage:
        loss = warm_start(
            writer,
            study.catalog,
            study.audiences,
            options.warm_start,
            seed=options.seed,
            progress=lambda lines, loss: stage.advance(lines, f"loss {loss:.2f} nats a token"),
        )
    with run.stage("untuned texts"):
        untuned = _write(writer, study, options.samples, options.seed + 1)
        reward = study.reward(options.reward)
        pilot = sample_prompts(study.asked, PILOT_PROMPTS, options.seed)
        texts = _write_for(writer, pilot, options.ppo.group, options.seed + 2)
        reward.freeze(texts, torch.arange(len(pilot)).repeat_interleave(options.ppo.group))
    watch = _Watch(study, options, run, writer, reward)
    watch.look(0, 0.0)
    with run.stage("PPO", total=options.ppo.updates) as stage:

        def on_update(update: Update) -> None:
            run.record(update.step, {"kl": update.kl, **update.metrics})
            stage.advance(1, f"reward {update.metrics['reward']:+.2f}  KL {update.kl:.1f}")
            watch.look(update.step, update.kl)

        updates = tune(writer, study.asked, reward, options.ppo, seed=options.seed, on_update=on_update)
    with run.stage("verdict"):
        tuned = _write(writer, study, options.samples, options.seed + 1)
        verdicts = {"untuned": judge(study.world, untuned), "tuned": judge(study.world, tuned)}
        _save_creatives(run.path, study, {"untuned": untuned, "tuned": tuned}, verdicts)
        lift = _lift(study, tuned, untuned, verdicts, options)
        diversity = {name: _diversity(texts) for name, texts in (("untuned", untuned), ("tuned", tuned))}
    summary = {
        "lift": lift,
        "diversity": diversity,
        "texts": len(tuned),
        "kl": updates[-1].kl,
        "proxy_gold": watch.curve,
        "effect_model": study.effect_metrics,
        "notes": list(study.notes),
        "warm_start_loss": loss,
        "writer": writer.fingerprint(),
        "data": data_sheet(study, options),
    }
    save_checkpoint(writer, run.path / "checkpoint", prompt(*study.asked[0]), _facts(options), _figures(summary))
    return Tuning(writer, untuned, tuned, verdicts, summary, updates)


def _lift(
    study: Study,
    tuned: Sequence[Creative],
    untuned: Sequence[Creative],
    verdicts: dict[str, Verdict],
    options: StudyOptions,
) -> dict[str, Interval]:
    rng, first, second = np.random.default_rng(options.seed), verdicts["tuned"], verdicts["untuned"]
    if study.gold_doubt is None:
        return lifts(first.by_user, second.by_user, options.conversion_value, rng)
    doubt = study.gold_doubt(tuned, untuned)
    return lifts(first.by_product(tuned), second.by_product(untuned), options.conversion_value, rng, doubt)


class _Watch:
    """Looks at the gold along the run, on a fixed part of the prompts; for the report alone."""

    def __init__(self, study: Study, options: StudyOptions, run: Run, writer: Writer, reward: Reward) -> None:
        self.study, self.options, self.run, self.writer, self.reward = study, options, run, writer, reward
        self.prompts = sample_prompts(study.asked, WATCHED_PROMPTS, options.seed + 3)
        self.curve: list[dict[str, float]] = []

    def look(self, step: int, kl: float) -> None:
        """Adds a point to the curve every `watch_every` updates, and at the last."""
        if step % self.options.watch_every and step != self.options.ppo.updates:
            return
        texts = _write_for(self.writer, self.prompts, 2, self.options.seed + 4)
        rewards = self.reward(texts, torch.arange(len(self.prompts)).repeat_interleave(2))
        verdict = judge(self.study.world, texts)
        gold = verdict.total_ctr() * (1 + self.options.conversion_value * verdict.total_cvr())
        point = {
            "step": step,
            "sqrt_kl": math.sqrt(max(kl, 0.0)),
            "proxy": float(rewards.total.mean()),
            "gold": gold,
            "gold_ctr": verdict.total_ctr(),
            "gold_cvr": verdict.total_cvr(),
        }
        self.curve.append(point)
        self.run.record(step, {f"watch/{name}": value for name, value in point.items() if name != "step"})


def _facts(options: StudyOptions) -> dict[str, Any]:
    weights = options.reward
    source = options.archive or options.catalog or f"built-in scenario {options.scenario}"
    return {
        "base model": options.model,
        "written for": source,
        "effect model learned from": options.logs or options.archive or f"{options.log_impressions:,} simulated visits",
        "reward weights": f"CTR {weights.w_ctr}, CVR {weights.w_cvr}, diversity {weights.w_div}",
        "seed": options.seed,
        "tuning": f"PPO, {options.ppo.updates} updates of {options.ppo.batch} texts",
    }


def _figures(summary: dict[str, Any]) -> dict[str, str]:
    percent = {k: f"{v['mean']:+.1%} [{v['low']:+.1%}, {v['high']:+.1%}]" for k, v in summary["lift"].items()}
    first, last = summary["proxy_gold"][0], summary["proxy_gold"][-1]
    return {
        "gold CTR lift": percent["ctr"],
        "gold CVR lift": percent["cvr"],
        "gold reward lift": percent["reward"],
        "proxy reward, untuned and tuned": f"{first['proxy']:+.2f}, {last['proxy']:+.2f}",
        "Vendi score, untuned and tuned": f"{summary['diversity']['untuned']:.1f}, {summary['diversity']['tuned']:.1f}",
        "KL from the untuned writer": f"{summary['kl']:.1f} nats a text",
    }


def _write(writer: Writer, study: Study, n: int, seed: int) -> list[Creative]:
    return _write_for(writer, study.asked, n, seed)


def _write_for(writer: Writer, prompts: Sequence[tuple], n: int, seed: int) -> list[Creative]:
    products, audiences = zip(*prompts, strict=True)
    return writer.write(products, audiences, n, generator=torch.Generator().manual_seed(seed))


def report_encoder() -> TextEncoder:
    """The encoder of the reported diversity: words, where the reward's sees characters, so that neither flatters the
    other.
    """
    return TextEncoder(dim=256, seed=77, ngrams=(1, 2), words=True)


def _diversity(creatives: Sequence[Creative]) -> float:
    return vendi(report_encoder().encode([creative.text for creative in creatives]))


def _save_creatives(path: Path, study: Study, texts: dict[str, list[Creative]], verdicts: dict[str, Verdict]) -> None:
    frames = []
    for name, creatives in texts.items():
        proxy: Tensor = study.effect.predict(creatives).rates
        frames.append(
            pd.DataFrame(
                {
                    "writer": name,
                    "product_id": [creative.product_id for creative in creatives],
                    "title": [study.catalog[creative.product_id].title for creative in creatives],
                    "audience": [creative.audience for creative in creatives],
                    "text": [creative.text for creative in creatives],
                    "proxy_ctr": proxy[:, CLICK].numpy(),
                    "proxy_cvr": proxy[:, CONVERT].numpy(),
                    "gold_ctr": verdicts[name].ctr,
                    "gold_cvr": verdicts[name].cvr,
                }
            )
        )
    pd.concat(frames, ignore_index=True).to_parquet(path / "creatives.parquet", index=False)
