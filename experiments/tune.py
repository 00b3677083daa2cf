"""What does tuning the writer give? Warm start, tuning by the effect model's word, and the verdict of the gold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..agents.agent import CONVERSION_VALUE
from ..policies.effect.model import CLICK, CONVERT, EffectConfig
from ..policies.reward.attacks import attacked, good_ads, possible_attacks, proxy_change
from ..policies.reward.diversity import vendi
from ..policies.reward.reward import Reward, RewardConfig
from ..policies.reward.scored_texts import ScoredTexts
from ..policies.reward.select import choice_kl
from ..policies.writer.adapters import adapted
from ..policies.writer.checkpoint import CHECKPOINT, save_checkpoint
from ..policies.writer.warm_start import WarmStartConfig
from ..policies.writer.writer import Writer, WriterConfig, load_weights, own_weights, prompt
from ..simulation.data.catalog import Creative
from ..simulation.text.encoder import TextEncoder
from .analysis.report.formats import bracketed
from .analysis.report.page import write_report
from .analysis.statistics.bootstrap import Interval
from .harness.files import write_table
from .harness.options import Device, Flat, Idle, ResumeOptions, RunOptions, refuse_below, torch_device
from .harness.run import Run
from .study.archive import archive_study
from .study.choosing import ChoosingOptions, final_texts
from .study.data_sheet import data_sheet
from .study.efficiency import efficiency, untuned_choices
from .study.overoptimisation import over_optimisation
from .study.study import (
    DataOptions,
    FeedbackOptions,
    Study,
    WritingOptions,
    idle_in_study,
    sample_prompts,
    shop_study,
    write_for,
)
from .study.tuner import TunerOptions
from .study.tuning import warm_started, watched_tuning
from .study.verdict import Verdict, judge, lifts
from .study.watch import Watch, WatchOptions
from .study.worlds import SegmentOptions, WorldOptions

if TYPE_CHECKING:
    from .study.parts import StudyParts, TuneParts

ATTACKED = 60
"""Good ads that attacks are tried on."""
PILOT_PROMPTS = 256
"""Prompts whose texts by the untuned writer freeze the reward's statistics."""
PILOT_TEXTS = 4
"""Texts for each of those prompts."""


@dataclass(frozen=True)
class TuneOptions:
    """Options of `copybandit tune`."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    resume: Flat[ResumeOptions] = field(default_factory=ResumeOptions)
    device: Device = "auto"
    """Where tensors live; auto takes a CUDA device when there is one."""
    conversion_value: float = CONVERSION_VALUE
    """Worth of a conversion in clicks, wherever one figure is wanted."""
    world: Flat[WorldOptions] = field(default_factory=WorldOptions)
    segmenting: Flat[SegmentOptions] = field(default_factory=SegmentOptions)
    data: Flat[DataOptions] = field(default_factory=DataOptions)
    feedback: Flat[FeedbackOptions] = field(default_factory=FeedbackOptions)
    writing: Flat[WritingOptions] = field(default_factory=WritingOptions)
    tuner: Flat[TunerOptions] = field(default_factory=TunerOptions)
    choosing: Flat[ChoosingOptions] = field(default_factory=ChoosingOptions)
    watch: Flat[WatchOptions] = field(default_factory=WatchOptions)
    writer: WriterConfig = field(default_factory=WriterConfig)
    warm_start: WarmStartConfig = field(default_factory=WarmStartConfig)
    effect: EffectConfig = field(default_factory=EffectConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)

    def __post_init__(self) -> None:
        refuse_below(self, conversion_value=0)

    def idle(self) -> Idle:
        """What the parts mean for each other."""
        return idle_in_study(self)


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
    warm: tuple[dict[str, Tensor], float] | None = None
    """Weights and loss that the warm start ended with."""


def run_tune(options: TuneOptions) -> Path:
    """`copybandit tune`: tunes the writer and leaves checkpoint, learning curves and report."""
    run = Run("tune", options)
    study = make_study(options, run, validation=options.watch.validation_impressions)
    tuning = tune_writer(study, options, run)
    run.finish(tuning.summary)
    write_report(run.path)
    return run.path


def make_study(options: "StudyParts", run: Run, hours: float | None = None, validation: int = 0) -> Study:
    """The study that the options ask for; from here on, torch sums in a fixed order on the CPU.

    Args:
        options: sizes and files.
        run: where all goes.
        hours: in which what is learned from is logged in the world; by default what its visits take.
        validation: impressions that the model that validates the writer learns from; with 0 there is none.

    Raises:
        InputError: an option or a file is no good.
    """
    if torch_device(options.device).type == "cpu":
        # Threads that add into the same place in no fixed order would change the last bits, and PPO all that follows.
        torch.use_deterministic_algorithms(True, warn_only=True)
    if options.data.archive is not None:
        return archive_study(options, run, validation)
    return shop_study(options, run, hours, validation)


def tune_writer(
    study: Study, options: "TuneParts", run: Run, warm: tuple[dict[str, Tensor], float] | None = None
) -> Tuning:
    """Warm start, frozen reward, tuning, verdict; leaves `checkpoint/` and `creatives.parquet` in the directory.

    Args:
        study: what is written for, and what is known of it.
        options: sizes and rates.
        run: where all goes.
        warm: weights and loss of a warm start that was made before; the writer begins with them.
    """
    writer = study.writer
    if warm is not None:
        load_weights(writer, warm[0])
    loss = warm_started(study, options, run) if warm is None else warm[1]
    start = {name: weight.clone() for name, weight in own_weights(writer).items()}
    with run.stage("untuned texts"):
        untuned = write_for(writer, study.asked, options.writing.samples, options.run.seed + 1)
        reward = frozen_reward(study, options)
    scored, tuner = ScoredTexts(reward, study.asked, options.choosing.keep_diversity), options.tuner.tuner
    with adapted(writer, options.tuner.adapter, steps=tuner.steps(len(study.asked)), seed=options.run.seed):
        watch = Watch(study, options, run, scored)
        stopped = watched_tuning(study, options, run, scored, watch).stopped
        chosen = watch.keep_best()
    with run.stage("final texts"):
        tuned, choice = final_texts(study, options, options.tuner.written, scored, untuned)
    with run.stage("verdict"):
        verdicts = {"untuned": judge(study.world, untuned), "tuned": judge(study.world, tuned)}
        both, claims = {"untuned": untuned, "tuned": tuned}, study.claims(options.reward)
        found = None if claims is None else {name: [claims.said(c) for c in texts] for name, texts in both.items()}
        _save_creatives(run.path, study, both, verdicts, found)
        lift = _lift(study, tuned, untuned, verdicts, options)
        attacks = resisted(study, reward, options.conversion_value) if study.names_products else {}
        diversity = {name: vendi_of(texts) for name, texts in (("untuned", untuned), ("tuned", tuned))}
        as_they_come = _as_they_come(study, untuned, options) if choice["among"] > 1 and chosen["step"] else None
        alone = (as_they_come or {"lift": lift})["lift"]["reward"]["mean"]
        spent = _efficiency(study, start, reward, options, alone, chosen["kl"]) if chosen["step"] else None
    summary = {
        "algorithm": options.tuner.algorithm,
        "tuner": {"label": tuner.label, "settings": tuner.described(), "kl_target": tuner.kl_target},
        "lift": lift,
        "diversity": diversity,
        "texts": len(tuned),
        "false_claims": found
        and {name: float(np.mean([said != "" for said in texts])) for name, texts in found.items()},
        "kl": chosen["kl"] + choice_kl(choice["among"]),
        "choice": choice,
        "as_they_come": as_they_come,
        "efficiency": spent,
        "proxy_gold": watch.curve,
        "chosen": chosen | {"stopped": stopped},
        "over_optimisation": over_optimisation(watch.curve),
        "attacks": attacks,
        "reward_calls": len(scored),
        "effect_model": study.effect_metrics,
        "notes": list(study.notes),
        "warm_start_loss": loss,
        "writer": writer.fingerprint(),
        "data": data_sheet(study, options),
    }
    save_checkpoint(writer, run.path / CHECKPOINT, prompt(*study.asked[0]), _facts(options), _figures(summary))
    return Tuning(writer, untuned, tuned, verdicts, summary, (start, loss))


def frozen_reward(study: Study, options: "StudyParts") -> Reward:
    """The reward, its statistics taken on the untuned writer's texts."""
    reward = study.reward(options.reward)
    pilot = sample_prompts(study.asked, PILOT_PROMPTS, options.run.seed)
    texts = write_for(study.writer, pilot, PILOT_TEXTS, options.run.seed + 2)
    reward.freeze(texts, torch.arange(len(pilot)).repeat_interleave(PILOT_TEXTS))
    return reward


def resisted(study: Study, reward: Reward, conversion_value: float) -> dict[str, dict[str, float]]:
    """What each attack does to good ads: `gold`, relative; `proxy`, in the reward's units, and its standard `error`."""
    good = good_ads(study.catalog, reward, ATTACKED)

    def gold(creatives: Sequence[Creative]) -> float:
        verdict = judge(study.world, creatives)
        return float((verdict.ctr * (1 + conversion_value * verdict.cvr)).mean())

    before, found = gold(good), {}
    for name in possible_attacks(study.catalog):
        texts = attacked(good, name, study.catalog)
        proxy, error = proxy_change(reward, good, texts)
        found[name] = {"gold": gold(texts) / before - 1, "proxy": proxy, "error": error}
    return found


def _lift(
    study: Study,
    tuned: Sequence[Creative],
    untuned: Sequence[Creative],
    verdicts: dict[str, Verdict],
    options: "TuneParts",
) -> dict[str, Interval]:
    rng, first, second = np.random.default_rng(options.run.seed), verdicts["tuned"], verdicts["untuned"]
    if study.gold_doubt is None:
        return lifts(first.by_user, second.by_user, options.conversion_value, rng)
    doubt = study.gold_doubt(tuned, untuned)
    return lifts(first.by_product(tuned), second.by_product(untuned), options.conversion_value, rng, doubt)


def _as_they_come(study: Study, untuned: Sequence[Creative], options: "TuneParts") -> dict[str, Any]:
    """Lift and Vendi score of what the tuned writer writes, nothing chosen: of the checkpoint by itself."""
    texts = write_for(study.writer, study.asked, options.writing.samples, options.run.seed + 1)
    verdicts = {"untuned": judge(study.world, untuned), "tuned": judge(study.world, texts)}
    return {"lift": _lift(study, texts, untuned, verdicts, options), "vendi": vendi_of(texts)}


def _efficiency(
    study: Study, start: dict[str, Tensor], reward: Reward, options: "TuneParts", gain: float, kl: float
) -> float | None:
    """What the tuned writer gains by itself, over what choosing among the untuned writer's texts gains at its KL."""
    rewards, gold = untuned_choices(study, start, reward, options.conversion_value, options.run.seed + 6)
    return efficiency(gain, kl, rewards, gold)


def _facts(options: "TuneParts") -> dict[str, Any]:
    weights, data = options.reward, options.data
    source = data.archive or data.catalog or f"built-in scenario {options.world.scenario}"
    simulated = f"{options.feedback.log_impressions:,} simulated visits"
    return {
        "base model": options.writing.model,
        "written for": source,
        "effect model learned from": data.logs or data.archive or simulated,
        "reward weights": f"CTR {weights.w_ctr}, CVR {weights.w_cvr}, diversity {weights.w_div}",
        "seed": options.run.seed,
        "tuning": _tuned_how(options),
    }


def _tuned_how(options: "TuneParts") -> str:
    tuner = options.tuner.tuner
    how = f"{tuner.label}, {tuner.described()}" if tuner.updates else "none"
    if options.tuner.written == 1:
        return how
    return f"{how}; lifts are of texts that the reward, which does not come with it, picked among several"


def _figures(summary: dict[str, Any]) -> dict[str, str]:
    percent = {name: bracketed(lift, "+.1%") for name, lift in summary["lift"].items()}
    first, last = summary["proxy_gold"][0], summary["proxy_gold"][-1]
    alone = {}
    if summary["as_they_come"]:
        lift = summary["as_they_come"]["lift"]["reward"]
        alone = {"gold reward lift, nothing picked": bracketed(lift, "+.1%")}
    return alone | {
        "gold CTR lift": percent["ctr"],
        "gold CVR lift": percent["cvr"],
        "gold reward lift": percent["reward"],
        "proxy reward, untuned and tuned": f"{first['proxy']:+.2f}, {last['proxy']:+.2f}",
        "Vendi score, untuned and tuned": f"{summary['diversity']['untuned']:.1f}, {summary['diversity']['tuned']:.1f}",
        "KL from the untuned writer": f"{summary['kl']:.1f} nats a text",
    }


def report_encoder() -> TextEncoder:
    """The encoder of the reported diversity: words, where the reward's sees characters, so that neither flatters the
    other.
    """
    return TextEncoder(dim=256, seed=77, ngrams=(1, 2), words=True)


def vendi_of(creatives: Sequence[Creative]) -> float:
    """Vendi score by the encoder of reports."""
    return vendi(report_encoder().encode([creative.text for creative in creatives]))


def _save_creatives(
    path: Path,
    study: Study,
    texts: dict[str, list[Creative]],
    verdicts: dict[str, Verdict],
    claims: dict[str, list[str]] | None,
) -> None:
    """creatives.parquet: every text with its rates and, where they are looked at, the claims that nothing supports."""
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
                | ({} if claims is None else {"claims": claims[name]})
            )
        )
    write_table(path / "creatives.parquet", pd.concat(frames, ignore_index=True))
