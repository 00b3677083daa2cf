"""What does tuning the writer give? Warm start, tuning by the effect model's word, and the verdict of the gold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..policies.effect.model import CLICK, CONVERT
from ..policies.reward.attacks import ATTACKS, attacked, good_ads, proxy_change
from ..policies.reward.candidates import Candidates
from ..policies.reward.diversity import vendi
from ..policies.reward.reward import Reward
from ..policies.reward.select import choice_kl
from ..policies.tuning.contract import Update
from ..policies.tuning.rivals import TUNERS
from ..policies.tuning.state import StateDirectory, TuningState, short_hash
from ..policies.writer.adapters import adapted
from ..policies.writer.checkpoint import CHECKPOINT, save_checkpoint
from ..policies.writer.warm_start import warm_start
from ..policies.writer.writer import Writer, load_weights, own_weights, prompt
from ..simulation.data.catalog import Creative
from ..simulation.text.encoder import TextEncoder
from .analysis.report.page import write_report
from .analysis.statistics.bootstrap import Interval
from .harness.files import write_table
from .harness.options import decisive
from .harness.run import Run
from .study.archive import archive_study
from .study.choosing import final_texts, written
from .study.data_sheet import data_sheet
from .study.overoptimisation import over_optimisation
from .study.study import Study, StudyOptions, sample_prompts, shop_study, write_for
from .study.verdict import Verdict, judge, lifts
from .study.watch import Watch

ATTACKED = 60
"""Good ads that attacks are tried on."""
PILOT_PROMPTS = 256
"""Prompts whose texts by the untuned writer freeze the reward's statistics."""

STAGES = {
    "raft": "RAFT",
    "ppo": "PPO",
    "rloo": "RLOO",
    "grpo": "GRPO",
    "best-of-n": "no tuning",
    "supervised": "no tuning",
}
"""What the stage of tuning is called."""


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
    warm: tuple[dict[str, Tensor], float] | None = None
    """Weights and loss that the warm start ended with."""


def run_tune(options: TuneOptions) -> Path:
    """`copybandit tune`: tunes the writer and leaves checkpoint, learning curves and report."""
    run = Run("tune", options)
    study = make_study(options, run)
    tuning = tune_writer(study, options, run)
    run.finish(tuning.summary)
    write_report(run.path)
    return run.path


def make_study(options: StudyOptions, run: Run, hours: float | None = None) -> Study:
    """The study that the options ask for; from here on, torch sums in a fixed order on the CPU.

    Args:
        options: sizes and files.
        run: where all goes.
        hours: in which what is learned from is logged in the world; by default what its visits take.

    Raises:
        InputError: an option or a file is no good.
    """
    if options.torch_device().type == "cpu":
        # Threads that add into the same place in no fixed order would change the last bits, and PPO all that follows.
        torch.use_deterministic_algorithms(True, warn_only=True)
    return shop_study(options, run, hours) if options.archive is None else archive_study(options, run)


def tune_writer(
    study: Study, options: StudyOptions, run: Run, warm: tuple[dict[str, Tensor], float] | None = None
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
    loss = _warm_start(study, options, run) if warm is None else warm[1]
    start = {name: weight.clone() for name, weight in own_weights(writer).items()}
    with run.stage("untuned texts"):
        untuned = write_for(writer, study.asked, options.samples, options.seed + 1)
        reward = frozen_reward(study, options)
    candidates, steps = Candidates(reward, study.asked), options.ppo.updates * options.ppo.steps
    with adapted(writer, options.adapter, steps=steps, seed=options.seed):
        watch = Watch(study, options, run, candidates)
        stopped, updates = _tune(study, options, run, candidates, watch)
        chosen = watch.keep_best()
    with run.stage("final texts"):
        tuned, choice = final_texts(study, options, written(options), candidates, untuned)
    with run.stage("verdict"):
        verdicts = {"untuned": judge(study.world, untuned), "tuned": judge(study.world, tuned)}
        _save_creatives(run.path, study, {"untuned": untuned, "tuned": tuned}, verdicts)
        lift = _lift(study, tuned, untuned, verdicts, options)
        attacks = resisted(study, reward, options.conversion_value) if study.names_products else {}
        diversity = {name: vendi_of(texts) for name, texts in (("untuned", untuned), ("tuned", tuned))}
        as_they_come = _as_they_come(study, untuned, options) if choice["among"] > 1 and chosen["step"] else None
    summary = {
        "algorithm": options.algorithm,
        "lift": lift,
        "diversity": diversity,
        "texts": len(tuned),
        "kl": chosen["kl"] + choice_kl(choice["among"]),
        "choice": choice,
        "as_they_come": as_they_come,
        "proxy_gold": watch.curve,
        "chosen": chosen | {"stopped": stopped},
        "over_optimisation": over_optimisation(watch.curve),
        "attacks": attacks,
        "reward_calls": len(candidates),
        "effect_model": study.effect_metrics,
        "notes": list(study.notes),
        "warm_start_loss": loss,
        "writer": writer.fingerprint(),
        "data": data_sheet(study, options),
    }
    save_checkpoint(writer, run.path / CHECKPOINT, prompt(*study.asked[0]), _facts(options), _figures(summary))
    return Tuning(writer, untuned, tuned, verdicts, summary, updates, (start, loss))


def _warm_start(study: Study, options: StudyOptions, run: Run) -> float:
    """Fine-tunes the writer, or takes what a broken-off run left of it; the loss."""
    states = StateDirectory(run.path / "state" / "warm start", _identity(study, options))
    state = states.latest() if run.resumed else None
    if state is not None:
        load_weights(study.writer, state.part("policy"))
        return state.facts["loss"]
    with run.stage("warm start", total=options.warm_start.lines) as stage:
        loss = warm_start(
            study.writer,
            study.catalog,
            study.audiences,
            options.warm_start,
            seed=options.seed,
            progress=lambda lines, loss: stage.advance(lines, f"loss {loss:.2f} nats a token"),
        )
    weights = {f"policy.{name}": weight for name, weight in own_weights(study.writer).items()}
    states.save(TuningState(0, weights, {"loss": loss}))
    return loss


def frozen_reward(study: Study, options: StudyOptions) -> Reward:
    """The reward, its statistics taken on the untuned writer's texts."""
    reward = study.reward(options.reward)
    pilot = sample_prompts(study.asked, PILOT_PROMPTS, options.seed)
    texts = write_for(study.writer, pilot, options.ppo.group, options.seed + 2)
    reward.freeze(texts, torch.arange(len(pilot)).repeat_interleave(options.ppo.group))
    return reward


def _tune(
    study: Study, options: StudyOptions, run: Run, candidates: Candidates, watch: Watch
) -> tuple[str, list[Update]]:
    """Tunes from the start or from a saved state; why it ended early, and the updates of this session."""
    effect = candidates.fingerprint()
    states = StateDirectory(run.path / "state" / "tuning", _identity(study, options) | {"effect model": effect})
    state = states.latest() if run.resumed else None
    if run.resumed:
        recorded = run.rewind(state.step if state else -1)
        if state is not None:
            watch.restore(recorded, state.part("best"))
            candidates.restore(state.part("candidates"))
    for warning in states.damaged:
        run.console.print(f"  {warning}; the state before it is used")
    if state is None:
        watch.look(0, 0.0)
    elif state.facts["stopped"] or state.step == options.tuning.updates:
        return state.facts["stopped"], []
    with run.stage(STAGES[options.algorithm], total=options.tuning.updates) as stage:
        stage.advance(state.step if state else 0)

        def on_update(update: Update) -> str | None:
            stage.advance(1, f"reward {update.metrics['reward']:+.2f}  KL {update.kl:.1f}")
            return watch.after(update, states)

        tuned = TUNERS[options.algorithm](
            study.writer, study.asked, candidates, options.tuning, seed=options.seed, on_update=on_update, resumed=state
        )
    return tuned.stopped, tuned.updates


def resisted(study: Study, reward: Reward, conversion_value: float) -> dict[str, dict[str, float]]:
    """What each attack does to good ads: `gold`, relative; `proxy`, in the reward's units, and its standard `error`."""
    good = good_ads(study.catalog, reward, ATTACKED)

    def gold(creatives: Sequence[Creative]) -> float:
        verdict = judge(study.world, creatives)
        return float((verdict.ctr * (1 + conversion_value * verdict.cvr)).mean())

    before, found = gold(good), {}
    for name in ATTACKS:
        texts = attacked(good, name, study.catalog)
        proxy, error = proxy_change(reward, good, texts)
        found[name] = {"gold": gold(texts) / before - 1, "proxy": proxy, "error": error}
    return found


def _identity(study: Study, options: StudyOptions) -> dict[str, str]:
    """What a saved state must have come from to be of use."""
    model, tokenizer = study.writer.model.config.to_diff_dict(), study.writer.tokenizer.get_vocab()
    for volatile in ("transformers_version", "_name_or_path"):
        model.pop(volatile, None)
    parts = {"model": model, "tokenizer": tokenizer, "catalog": (study.catalog.products, study.catalog.ads)}
    return {name: short_hash(part) for name, part in (parts | {"set of options": decisive(options)}).items()}


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


def _as_they_come(study: Study, untuned: Sequence[Creative], options: StudyOptions) -> dict[str, Any]:
    """Lift and Vendi score of what the tuned writer writes, nothing chosen: of the checkpoint by itself."""
    texts = write_for(study.writer, study.asked, options.samples, options.seed + 1)
    verdicts = {"untuned": judge(study.world, untuned), "tuned": judge(study.world, texts)}
    return {"lift": _lift(study, texts, untuned, verdicts, options), "vendi": vendi_of(texts)}


def _facts(options: StudyOptions) -> dict[str, Any]:
    weights = options.reward
    source = options.archive or options.catalog or f"built-in scenario {options.scenario}"
    return {
        "base model": options.model,
        "written for": source,
        "effect model learned from": options.logs or options.archive or f"{options.log_impressions:,} simulated visits",
        "reward weights": f"CTR {weights.w_ctr}, CVR {weights.w_cvr}, diversity {weights.w_div}",
        "seed": options.seed,
        "tuning": _tuned_how(options),
    }


def _tuned_how(options: StudyOptions) -> str:
    how = f"{options.algorithm}, at most {options.ppo.updates} updates of {options.ppo.batch} texts"
    if options.algorithm == "raft":
        how = f"raft, {options.raft.updates} x {options.raft.texts} texts a prompt, {options.raft.kept} kept"
    how = "none" if options.algorithm in ("best-of-n", "supervised") else how
    if written(options) == 1:
        return how
    return f"{how}; lifts are of texts that the reward, which does not come with it, picked among several"


def _figures(summary: dict[str, Any]) -> dict[str, str]:
    percent = {k: f"{v['mean']:+.1%} [{v['low']:+.1%}, {v['high']:+.1%}]" for k, v in summary["lift"].items()}
    first, last = summary["proxy_gold"][0], summary["proxy_gold"][-1]
    alone = {}
    if summary["as_they_come"]:
        lift = summary["as_they_come"]["lift"]["reward"]
        alone = {"gold reward lift, nothing picked": f"{lift['mean']:+.1%} [{lift['low']:+.1%}, {lift['high']:+.1%}]"}
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
    write_table(path / "creatives.parquet", pd.concat(frames, ignore_index=True))
