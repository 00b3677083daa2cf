"""The whole of writing: warm start, tuning by the effect model's word, the choice of texts, the verdict of the gold."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...policies.compliance.filter import CAVEAT as COMPLIANCE_CAVEAT
from ...policies.effect.contract import CLICK, CONVERT
from ...policies.effect.effect_file import EFFECT, save_effect
from ...policies.effect.reasons import reasons_of_ads
from ...policies.learning.adapters import adapted
from ...policies.reward.attacks import alone, attacked, good_ads, possible_attacks
from ...policies.reward.reward import Reward
from ...policies.reward.scored_texts import ScoredTexts
from ...policies.reward.select import choice_kl
from ...policies.writer.checkpoint import CHECKPOINT, save_checkpoint
from ...policies.writer.placeholders import to_template
from ...policies.writer.prompts import prompt
from ...policies.writer.writer import Writer, load_weights, own_weights
from ...simulation.data.catalog import Creative
from ..analysis.drawing.formats import bracketed, told_reasons
from ..analysis.loop.findings import resisted_share
from ..analysis.loop.gallery import shown_texts
from ..analysis.statistics.bootstrap import Interval
from ..harness.files import own_name, write_table
from ..harness.run import Run
from ..study.data_sheet import data_sheet, scenario_name
from ..study.private import privacy_facts
from ..study.study import Study, write_for
from .choosing import final_texts
from .efficiency import efficiency, untuned_choices
from .options import TuneOptions
from .overoptimisation import over_optimisation
from .picturing import picture_texts
from .refusals import refusals, share_refused
from .thumbnails import save_thumbnails
from .tuning import frozen_reward, say_memory, warm_started, watched_tuning
from .verdict import Verdict, judge, lifts, vendi_of
from .watch import Watch


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
    warm: tuple[dict[str, Tensor], float | None] | None = None
    """Weights and loss that the warm start ended with."""


def tune_writer(
    study: Study, options: TuneOptions, run: Run, warm: tuple[dict[str, Tensor], float | None] | None = None
) -> Tuning:
    """Warm start, frozen reward, tuning, verdict; leaves `checkpoint/` and `creatives.parquet` in the directory.

    Args:
        study: what is written for, and what is known of it.
        options: sizes and rates.
        run: where all goes.
        warm: weights and loss of a warm start that was made before; the writer begins with them.
    """
    writer = study.writer
    say_memory(study, options, run)
    if warm is not None:
        load_weights(writer, warm[0])
    loss = warm_started(study, options, run) if warm is None else warm[1]
    start = {name: weight.clone() for name, weight in own_weights(writer).items()}
    samples = options.writing.samples
    with run.stage("untuned texts", total=len(study.asked) * samples) as stage:
        untuned = write_for(writer, study.asked, samples, options.run.seed + 1, stage.advance)
        reward = frozen_reward(study, options)
    scored, tuner = ScoredTexts(reward, study.asked, options.choosing.keep_diversity), options.tuner.tuner
    with adapted(writer, options.tuner.adapter, steps=tuner.steps(len(study.asked)), seed=options.run.seed):
        watch = Watch(study, options, run, scored)
        stopped = watched_tuning(study, options, run, scored, watch).stopped
        chosen = watch.keep_best()
    with run.stage("final texts"):
        tuned, choice = final_texts(study, options, options.tuner.written, scored, untuned)
    pictured: dict[str, Any] | None = None
    if study.pictures is not None:
        with run.stage("choice of pictures"):
            tuned, pictured = picture_texts(study, options, scored, untuned, tuned)
    with run.stage("verdict"):
        verdicts = {"untuned": judge(study.world, untuned), "tuned": judge(study.world, tuned)}
        texts, picked = {"untuned": untuned, "tuned": tuned}, choice["among"] > 1 and chosen["step"] > 0
        come = write_for(writer, study.asked, samples, options.run.seed + 1) if picked else []
        judged = _judged(study, reward, options, run, texts, verdicts, come)
        judged["reference_ads"] = _beside_reference_ads(study, tuned, options)
        alone = (judged["as_they_come"] or judged)["lift"]["reward"]["mean"]
        attacks = resisted(study, reward, untuned, options) if study.names_products else {}
        texts |= {"tuned, as they come": come} if come else {}
        refused = refusals(reward.compliance, texts | {"scored": scored.texts})
        spent = _efficiency(study, start, reward, options, alone, chosen["kl"]) if chosen["step"] else None
    summary = {
        "algorithm": options.tuner.algorithm,
        "tuner": {"label": tuner.label, "settings": tuner.described(), "kl_target": tuner.kl_target},
        **judged,
        "lift_over": _lift_over(study, verdicts["untuned"]),
        "kl": chosen["kl"] + choice_kl(choice["among"]),
        "choice": choice,
        "efficiency": spent,
        "proxy_gold": watch.curve,
        "chosen": chosen | {"stopped": stopped},
        **({} if pictured is None else {"pictures": pictured}),
        "over_optimisation": over_optimisation(watch.curve),
        "attacks": attacks,
        "attacks_resisted": resisted_share(attacks),
        "refused": refused,
        "reward_calls": len(scored),
        "effect_model": study.effect_metrics,
        **({} if study.budget is None else {"privacy": privacy_facts(study.budget)}),
        "notes": list(study.notes),
        "warm_start_loss": loss,
        "writer": writer.fingerprint(),
        "data": data_sheet(study, options),
    }
    save_effect(study.effect, run.path / EFFECT)
    example, facts, figures = prompt(*study.asked[0]), _facts(options, chosen["step"]), _figures(summary)
    save_checkpoint(writer, run.path / CHECKPOINT, example, facts, figures, refused | {"caveat": COMPLIANCE_CAVEAT})
    return Tuning(writer, untuned, tuned, verdicts, summary, (start, loss))


def _judged(
    study: Study,
    reward: Reward,
    options: TuneOptions,
    run: Run,
    texts: dict[str, list[Creative]],
    verdicts: dict[str, Verdict],
    come: Sequence[Creative],
) -> dict[str, Any]:
    """What summary.json says of the texts of both writers, which are saved; where the tuned writer's are the best of
    several, of those that `come` from it unpicked too.
    """
    claims = study.claims(options.reward)
    said = None if claims is None else {name: [claims.said(c) for c in part] for name, part in texts.items()}
    table = _creatives(study, reward, texts, verdicts, said)
    write_table(run.path / "creatives.parquet", _explained(table, study, options))
    if study.pictures is not None:
        save_thumbnails(study.pictures.gallery, table["image"], run.path)
    return {
        "lift": _lift(study, texts["tuned"], texts["untuned"], verdicts, options),
        "diversity": {name: vendi_of(part) for name, part in texts.items()},
        "texts": len(texts["tuned"]),
        "commonest_pattern": {name: _commonest_pattern(study, part) for name, part in texts.items()},
        "readable": _readable(study, texts),
        "false_claims": said and {name: float(np.mean([c != "" for c in part])) for name, part in said.items()},
        "as_they_come": _as_they_come(study, come, texts["untuned"], options) if come else None,
    }


def _readable(study: Study, texts: dict[str, list[Creative]]) -> dict[str, float] | None:
    """Share of each writer's texts that the gold's readers do not take for garbled; None where they read no English."""
    readers = study.world.reader
    if not readers.judges_language:
        return None
    return {name: float((readers.read(part).garbled < 0.5).float().mean()) for name, part in texts.items()}


def _commonest_pattern(study: Study, texts: Sequence[Creative]) -> float:
    """Share of texts that are the same once the product's own words are masked: what a template would look like."""
    masked = [to_template(c.text, prompt(study.catalog[c.product_id], c.audience)).lower() for c in texts]
    return Counter(masked).most_common(1)[0][1] / len(masked)


def resisted(
    study: Study, reward: Reward, untuned: Sequence[Creative], options: TuneOptions
) -> dict[str, dict[str, float]]:
    """What each attack does to good ads: `gold`, relative; `proxy`, in the reward's units, and its standard `error`;
    the same of a reward to which it is nothing that a text is refused, `unfiltered` and `unfiltered_error`.
    """
    good = good_ads(study.catalog, reward, options.watch.attacked_ads, untuned)
    if len(good) < 2:  # one text has no standard error
        return {}

    def gold(creatives: Sequence[Creative]) -> float:
        verdict = judge(study.world, creatives)
        return float((verdict.ctr * (1 + options.conversion_value * verdict.cvr)).mean())

    before, found = gold(good), {}
    for name in possible_attacks(study.catalog):
        texts = attacked(good, name, study.catalog)
        found[name] = {"gold": gold(texts) / before - 1}
        for filtered, (mean, error) in ((True, ("proxy", "error")), (False, ("unfiltered", "unfiltered_error"))):
            change = alone(reward, texts, filtered=filtered) - alone(reward, good, filtered=filtered)
            found[name] |= {mean: float(change.mean()), error: float(change.std() / len(good) ** 0.5)}
    return found


def _lift(
    study: Study,
    tuned: Sequence[Creative],
    untuned: Sequence[Creative],
    verdicts: dict[str, Verdict],
    options: TuneOptions,
) -> dict[str, Interval]:
    rng, first, second = np.random.default_rng(options.run.seed), verdicts["tuned"], verdicts["untuned"]
    if study.gold_doubt is None:
        return lifts(first.cells, second.cells, options.conversion_value, rng)
    doubt = study.gold_doubt(tuned, untuned)
    return lifts(first.by_product(tuned), second.by_product(untuned), options.conversion_value, rng, doubt)


def _beside_reference_ads(study: Study, tuned: Sequence[Creative], options: TuneOptions) -> dict[str, Any] | None:
    """Lift of the tuned writer's texts over the reference ads (the catalog's own, the scenario's phrases) of the same
    products, each as often as there are texts of its product; None where there are none, or nothing is a product.
    """
    ads: dict[str, list[Creative]] = {}
    for ad in study.catalog.ads if study.names_products and study.gold_doubt is None else ():
        ads.setdefault(ad.product_id, []).append(ad)
    texts, turn, own = [text for text in tuned if text.product_id in ads], Counter[str](), []
    for text in texts:
        mine = ads[text.product_id]
        own.append(mine[turn[text.product_id] % len(mine)])
        turn[text.product_id] += 1
    if not own:
        return None
    rng = np.random.default_rng(options.run.seed)
    ours, theirs = judge(study.world, texts).cells, judge(study.world, own).cells
    return {"ads": len(set(own)), "products": len(turn), "lift": lifts(ours, theirs, options.conversion_value, rng)}


def _lift_over(study: Study, verdict: Verdict) -> str:
    """What the intervals of `_lift` are over."""
    if study.gold_doubt is not None:
        return "stories"
    return "users and products" if verdict.cells.shape[1] > 1 else "users"


def _as_they_come(
    study: Study, texts: Sequence[Creative], untuned: Sequence[Creative], options: TuneOptions
) -> dict[str, Any]:
    """Lift and Vendi score of what the tuned writer writes, nothing chosen: of the checkpoint by itself."""
    verdicts = {"untuned": judge(study.world, untuned), "tuned": judge(study.world, texts)}
    return {"lift": _lift(study, texts, untuned, verdicts, options), "vendi": vendi_of(texts)}


def _efficiency(
    study: Study, start: dict[str, Tensor], reward: Reward, options: TuneOptions, gain: float, kl: float
) -> float | None:
    """What the tuned writer gains by itself, over what choosing among the untuned writer's texts gains at its KL."""
    rewards, gold = untuned_choices(
        study, start, reward, options.conversion_value, options.watch.efficiency_prompts, options.run.seed + 6
    )
    return efficiency(gain, kl, rewards, gold)


def _facts(options: TuneOptions, step: int) -> dict[str, Any]:
    weights, data = options.reward, options.data
    source = data.archive or data.catalog
    simulated = f"{options.feedback.log_impressions:,} simulated visits"
    return {
        "base model": own_name(options.writing.model),
        "written for": own_name(source) if source else scenario_name(options),
        "effect model learned from": own_name(data.logs or data.archive or simulated),
        "reward weights": f"CTR {weights.w_ctr}, CVR {weights.w_cvr}, diversity {weights.w_div}",
        "seed": options.run.seed,
        "tuning": _tuned_how(options, step),
    }


def _tuned_how(options: TuneOptions, step: int) -> str:
    tuner = options.tuner.tuner
    how = f"{tuner.label}, {tuner.described()}" if tuner.updates else "none"
    if tuner.updates and step == 0:
        how = f"none: {tuner.label} found nothing better than the untuned writer, whose weights these are"
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
        "texts that a rule refuses": share_refused(summary["refused"]),
    }


def _creatives(
    study: Study,
    reward: Reward,
    texts: dict[str, list[Creative]],
    verdicts: dict[str, Verdict],
    claims: dict[str, list[str]] | None,
) -> pd.DataFrame:
    """Every text with its rates, its reward, the checks that it fails, the rules that refuse it and, where they are
    looked at, the claims that nothing supports.
    """
    frames = []
    for name, creatives in texts.items():
        proxy: Tensor = study.effect.predict(creatives).rates
        prompt_of = torch.arange(len(study.asked)).repeat_interleave(len(creatives) // len(study.asked))
        frames.append(
            pd.DataFrame(
                {
                    "writer": name,
                    "product_id": [creative.product_id for creative in creatives],
                    "title": [study.catalog[creative.product_id].title for creative in creatives],
                    **({"price": [study.catalog[c.product_id].price for c in creatives]} if study.pictures else {}),
                    "audience": [creative.audience for creative in creatives],
                    "text": [creative.text for creative in creatives],
                    **_images(study, creatives),
                    "proxy_ctr": proxy[:, CLICK].numpy(),
                    "proxy_cvr": proxy[:, CONVERT].numpy(),
                    "gold_ctr": verdicts[name].ctr,
                    "gold_cvr": verdicts[name].cvr,
                    "reward": reward(creatives, prompt_of).total.numpy(),
                    "checks": reward.quality.said(creatives),
                    "refused": ["; ".join(rules) for rules in reward.compliance.refusing(creatives)],
                }
                | ({} if claims is None else {"claims": claims[name]})
            )
        )
    return pd.concat(frames, ignore_index=True)


def _images(study: Study, creatives: Sequence[Creative]) -> dict[str, list[str]]:
    return {} if study.pictures is None else {"image": [study.catalog.image_of(creative) for creative in creatives]}


def _explained(creatives: pd.DataFrame, study: Study, options: TuneOptions) -> pd.DataFrame:
    """With `reasons`, why the effect model expects of a text what it does, for those that the report shows."""
    shown = [label for pair in shown_texts(creatives) for label in pair]
    rows = creatives.loc[shown]
    fields = [name for name in ("product_id", "text", "audience", "image") if name in rows]
    ads = [Creative(*row) for row in rows[fields].itertuples(index=False)]
    told = told_reasons(reasons_of_ads(study.effect, ads, options.conversion_value))
    return creatives.assign(reasons=pd.Series(told, index=shown, dtype=object).reindex(creatives.index, fill_value=""))
