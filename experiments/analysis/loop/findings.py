"""What a run's figures say, bad news first: targets, over-optimisation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..drawing.formats import gain, gain_range, gain_units, number, number_range, percent
from ..drawing.run_files import RunFiles
from ..statistics.bootstrap import Interval

LIFT_TARGETS = {"ctr": 0.15, "cvr": 0.10}
ARCHIVE_TARGETS = {"ctr": 0.067}
TARGET_SOURCES = {
    False: "Targets: what the case study that the project starts from reports for its own tuning.",
    True: "Target: the CTR gain of AdLlama in its live A/B test (arXiv 2507.21983).",
}
"""By whether the run is on an archive of real tests."""
DIVERSITY_TARGET = 0.9
"""Least share of the untuned writer's Vendi score that the tuned writer keeps."""
NOISE = 0.01
"""A fall of the gold below this share of its start is taken for noise."""

HEADS = {"click": "clicks", "convert": "conversions"}
GARBLED = 0.2
"""So large a share of garbled texts is said first."""
GOOD, BAD, NEUTRAL = "good", "bad", "neutral"
NAMES = {
    "ctr": "clicks an impression (CTR)",
    "cvr": "conversions a click (CVR)",
    "reward": "clicks and conversions together (reward)",
}


@dataclass(frozen=True)
class Headline:
    """One figure on top of the report, and what to say about it."""

    name: str
    value: str
    detail: str
    status: str = NEUTRAL
    """GOOD, BAD or NEUTRAL."""
    verdict: str = ""
    """A word or two: 'target +15.0%: met'."""
    sentence: str = ""
    """What to say about it if it is BAD."""


def targets(run: RunFiles) -> Mapping[str, float]:
    """Lift targets that apply to a run."""
    return ARCHIVE_TARGETS if run.archive else LIFT_TARGETS


def headlines(summary: Mapping[str, Any], targets: Mapping[str, float]) -> list[Headline]:
    """Headline figures of `loop` and `tune`, lifts against `targets`; those whose keys are absent are left out."""
    lift = summary.get("lift", {})
    found = [_lift(name, lift[name], targets.get(name)) for name in NAMES if name in lift]
    if own := summary.get("reference_ads"):
        found.append(_beside_reference_ads(own))
    alone = summary.get("as_they_come")
    if alone:
        lift = alone["lift"]["reward"]
        detail, spent = "reward, were the tuned writer's texts shown as they come", summary.get("efficiency")
        if spent is not None:
            detail += f"; picking among the untuned writer's, as far from it, gains 1 where this gains {spent:.2f}"
        if "reward" in summary.get("lift", {}) and lift["mean"] > summary["lift"]["reward"]["mean"]:
            detail += "; picking keeps the texts diverse, too, which cost more here than it gained"
        found.append(Headline("Without picking the best", gain(lift["mean"]), detail))
    diversity = summary.get("diversity", {})
    if {"untuned", "tuned"} <= diversity.keys():
        found.append(_diversity(diversity["untuned"], diversity["tuned"]))
    if "kl" in summary:
        kept = (summary.get("chosen") or {}).get("step") != 0
        detail = "a text: how far the tuned writer has moved from the untuned one"
        detail = detail if kept else "a text, all of it by choosing among several: no tuned weights were kept"
        found.append(Headline("Distance (KL)", f"{number(summary['kl'], 1)} nats", detail))
    return found


def _lift(name: str, lift: Interval, target: float | None) -> Headline:
    figure = f"{gain(lift['mean'])} (95% interval {gain_range(lift)})"
    aim = "" if target is None else f"target of {gain(target)}"
    missed = target is not None and lift["mean"] < target
    if lift["high"] < 0:
        status, verdict, sentence = BAD, "fell", f"Tuning lowered {NAMES[name]}: {figure}."
    elif not lift["low"] > 0:
        status, verdict = BAD, "no gain shown"
        why = "includes zero" if lift["low"] <= 0 else "says nothing of its error"
        sentence = f"No gain in {NAMES[name]} is shown: {figure} {why}."
    elif missed:
        status, verdict = BAD, "missed"
        sentence = f"{_sentence_case(NAMES[name])} gained {figure}, short of the {aim}."
    else:
        status, verdict, sentence = GOOD, "met" if aim else "above zero", ""
    verdict = f"{aim}: {verdict}" if aim else verdict
    title, detail = _sentence_case(NAMES[name]), f"95%: {gain_range(lift)}"
    return Headline(title, gain(lift["mean"]), detail, status, verdict, sentence)


def _beside_reference_ads(own: Mapping[str, Any]) -> Headline:
    lift = own["lift"]["ctr"]
    title, detail = "Against the reference ads", f"clicks an impression; 95%: {gain_range(lift)}"
    if lift["high"] < 0:
        sentence = (
            f"The tuned writer's texts bring fewer clicks an impression than the {own['ads']:,} reference ads of "
            f"the same products: {gain(lift['mean'])} (95% interval {gain_range(lift)})."
        )
        return Headline(title, gain(lift["mean"]), detail, BAD, "fewer clicks", sentence)
    status, verdict = (GOOD, "more clicks") if lift["low"] > 0 else (NEUTRAL, "no difference shown")
    return Headline(title, gain(lift["mean"]), detail, status, verdict)


def lost_in_placement(grid: Mapping[str, Mapping[str, Interval]]) -> list[str]:
    """A sentence where the bandit earns less with the tuned writer's texts than with the untuned one's."""
    rows = {writer: row["bandit"] for writer, row in grid.items() if "bandit" in row}
    if not {"untuned", "tuned"} <= rows.keys() or rows["tuned"]["mean"] >= rows["untuned"]["mean"]:
        return []
    apart = rows["tuned"]["high"] < rows["untuned"]["low"]
    return [
        f"Placed by the bandit, the tuned writer's texts earn {'less' if apart else 'no more'} than the untuned "
        f"writer's: {number(rows['tuned']['mean'], 4)} ({number_range(rows['tuned'])}) against "
        f"{number(rows['untuned']['mean'], 4)} ({number_range(rows['untuned'])}) an impression. A bandit finds the "
        "best of many different texts; tuning makes them better on average."
    ]


def fell_short(summary: Mapping[str, Any], targets: Mapping[str, float]) -> list[str]:
    """What the terminal says first of a run of `loop` or `tune`, worst first."""
    grid, heads = summary.get("grid") or {}, summary.get("effect_model") or {}
    missed = [figure.sentence for figure in headlines(summary, targets) if figure.status == BAD]
    return [
        *garbled(summary),
        *lost_in_placement(grid),
        *placement_findings(grid),
        *missed,
        *blind_heads(heads),
        *successful_attacks(summary.get("attacks") or {}),
    ]


def _sentence_case(text: str) -> str:
    return text[0].upper() + text[1:]


def _diversity(untuned: float, tuned: float) -> Headline:
    share, goal = tuned / untuned, percent(DIVERSITY_TARGET, 0)
    detail = (
        f"as different as {number(tuned, 1)} texts with nothing in common; {number(untuned, 1)} before (Vendi score)"
    )
    if share >= DIVERSITY_TARGET:
        return Headline("Diversity kept", percent(share, 0), detail, GOOD, f"target of {goal}: met")
    sentence = f"Diversity fell to {percent(share)} of the untuned writer's, below the target of {goal}."
    return Headline("Diversity kept", percent(share), detail, BAD, f"target of {goal}: missed", sentence)


def placement_findings(grid: Mapping[str, Mapping[str, Interval]]) -> list[str]:
    """A sentence for every writer whose bandit placement earns no more than uniform placement."""
    return [
        f"Bandit placement did not beat uniform placement for the {writer} writer: "
        f"{number(row['bandit']['mean'], 4)} against {number(row['uniform']['mean'], 4)} an impression."
        for writer, row in grid.items()
        if {"uniform", "bandit"} <= row.keys() and row["bandit"]["mean"] <= row["uniform"]["mean"]
    ]


def overlapping(grid: Mapping[str, Mapping[str, Interval]]) -> list[str]:
    """Writers whose bandit is ahead with an interval that overlaps uniform placement's."""
    return [
        f"{writer} writer: {number_range(row['bandit'])} and {number_range(row['uniform'])}"
        for writer, row in grid.items()
        if {"uniform", "bandit"} <= row.keys()
        and row["uniform"]["mean"] < row["bandit"]["mean"]
        and not row["bandit"]["low"] > row["uniform"]["high"]
    ]


def blind_heads(effect_model: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A sentence for every head of the effect model that predicts no better than the constant rate."""
    return [
        f"The effect model predicts {HEADS.get(name, name)} no better than the constant rate does: log-loss "
        f"{number(head['log_loss'], 4)} against {number(head['base_log_loss'], 4)}."
        for name, head in effect_model.items()
        if "log_loss" in head and head["log_loss"] >= head["base_log_loss"]
    ]


def over_optimised(curve: Sequence[Mapping[str, float]]) -> str | None:
    """Whether the proxy rises while the gold falls.

    The sign of a writer that exploits errors of its reward model (Gao et al., "Scaling Laws for Reward Model
    Overoptimization", ICML 2023). Looked at twice: from the first point to the last, and over the last third of the
    points (at least three) by the slope of a fitted line. Falls of the gold below 1% of its start are taken for noise.

    Args:
        curve: `proxy_gold` of summary.json.

    Returns:
        A sentence of alarm, or None.
    """
    if len(curve) < 2:
        return None
    proxy = np.array([point["proxy"] for point in curve], dtype=np.float64)  # what is not known becomes NaN
    gold = np.array([point["gold"] for point in curve]) / curve[0]["gold"] - 1
    if proxy[-1] > proxy[0] and gold[-1] < -NOISE:
        return (
            f"The proxy rose from {number(proxy[0])} to {number(proxy[-1])} while the gold reward ended "
            f"{gain(gold[-1])} against its start: the writer learned to please the effect model, not the users."
        )
    last = max(3, len(curve) // 3)
    if len(curve) < last:
        return None
    proxy_change, gold_change = _fitted_change(proxy[-last:]), _fitted_change(gold[-last:])
    if proxy_change > 0 and gold_change < -NOISE:
        return (
            f"Over the last {last} looks the proxy still rose ({gain_units(proxy_change)}) while the gold reward fell "
            f"({gain(gold_change)} of its start): tuning went on past the point where it helped."
        )
    return None


def chosen_weights(summary: Mapping[str, Any]) -> list[str]:
    """Sentences on which weights of the run were kept, why it ended, and the fit of gold over distance."""
    told = []
    chosen = summary.get("chosen")
    if chosen:
        told.append(
            f"The weights of step {chosen['step']} were kept: of all looks the validation model, learned from feedback "
            f"of its own, liked its texts best. Their gold is {percent(chosen['gold_of_best'])} of the best seen."
            + (f" Tuning ended early: {chosen['stopped']}." if chosen.get("stopped") else "")
        )
    fit = (summary.get("over_optimisation") or {}).get("fit")
    if fit:
        told.append(
            f"Gain of the gold over d = √KL, fitted as d (α − β log d) (Gao et al., ICML 2023): α = "
            f"{number(fit['alpha'], 3)}, β = {number(fit['beta'], 3)}, R² = {number(fit['r2'])}"
            + (f"; at its best at d = {number(fit['best_distance'])}." if "best_distance" in fit else ".")
        )
    return told


def resisted_share(attacks: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Share of attacks that the reward did not pay for beyond noise: `filtered`, and `unfiltered`, where it is nothing
    to it that a text is refused; and `of` how many. Empty where none was tried, or as of old without the second.
    """
    told = [change for change in attacks.values() if "unfiltered" in change]
    if not told:
        return {}
    paid = [
        sum(change[mean] > 2 * change[error] for change in told) / len(told)
        for mean, error in (("proxy", "error"), ("unfiltered", "unfiltered_error"))
    ]
    return {"filtered": 1 - paid[0], "unfiltered": 1 - paid[1], "of": len(told)}


def garbled(summary: Mapping[str, Any]) -> list[str]:
    """A sentence where more of the tuned writer's texts are garbled than `GARBLED`, or nobody knows how many: no gain
    in clicks is worth that.
    """
    read = summary.get("readable", {})
    if read is None:
        return [
            "Nobody looked at whether the texts read well: these simulated users judge no language. Read some before "
            "any figure."
        ]
    share = 1 - read.get("tuned", 1.0)
    if share <= GARBLED:
        return []
    return [f"{percent(share, 0)} of the tuned writer's texts are garbled to the simulated users: not to be shown."]


def successful_attacks(attacks: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A sentence for every attack that the reward paid for beyond noise, or that the gold did not mind."""
    told = []
    for name, change in attacks.items():
        if change["proxy"] > 2 * change["error"]:
            told.append(f"The effect model fell for an attack: {name} raised its reward by {number(change['proxy'])}.")
        if change["gold"] >= 0:
            told.append(f"The gold world fell for an attack: {name} changed its reward by {gain(change['gold'])}.")
    return told


def _fitted_change(values: np.ndarray) -> float:
    return float(np.polyfit(np.arange(len(values)), values, 1)[0] * (len(values) - 1))
