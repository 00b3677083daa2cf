"""Figures of `headlines`: how often the better text is named, how sure one may be, what placing texts earns."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.stats import false_discovery_control, norm
from sklearn.feature_extraction.text import CountVectorizer

from ....policies.headlines.text_views import STYLE, Style
from ....simulation.archive.contrasts import SIGNIFICANT, effects, pairs
from ....simulation.text.encoder import tokens
from ..statistics.bootstrap import Array, Interval, bootstrap, ratio
from ..statistics.intervals import proportion
from .replay import ArchiveTests

GAPS = (0.0, 0.05, 0.1, 0.2, 0.4, np.inf)
"""Bounds of relative differences in click rate, by which accuracy is told apart."""


def judged_pairs(arms: pd.DataFrame) -> pd.DataFrame:
    """All pairs within groups whose rates differ, the text predicted ahead first.

    Args:
        arms: `group`, `impressions`, `clicks`, `predicted` (log-odds) and `certainty` (see `HeadlineModel`).

    Returns:
        `group, z` (above 0: the text predicted ahead won), `gap` (relative difference of click rates), `right`,
        `promised` (probability that was given to the first).
    """
    group, shown, clicks = arms.group.to_numpy(), arms.impressions.to_numpy(float), arms.clicks.to_numpy(float)
    first, second, z = pairs(shown, clicks, group)
    predicted, rate = arms.predicted.to_numpy(), clicks / shown
    ahead = np.sign(predicted[first] - predicted[second])
    gap = np.abs(rate[first] - rate[second]) / np.minimum(rate[first], rate[second]).clip(1e-12)
    promised = 1 / (1 + np.exp(-arms.certainty.to_numpy()[first] * np.abs(predicted[first] - predicted[second])))
    # Texts that are predicted alike are no better named than by a coin.
    right = np.where(ahead == 0, 0.5, ahead == np.sign(z))
    return pd.DataFrame(
        {
            "group": group[first],
            "z": z * np.where(ahead == 0, 1, ahead),
            "gap": gap,
            "right": right,
            "promised": promised,
        }
    )


def accuracy(pairs_: pd.DataFrame) -> Interval:
    """Share of pairs whose better text was named, with its interval over tests."""
    return proportion(pairs_.groupby("group").right.agg(["sum", "size"]).to_numpy(float))


def accuracies(found: pd.DataFrame) -> dict[str, Any]:
    """Pairwise accuracy over all pairs, over significant ones, and by gap; pairs of each. NaN where there are none."""
    clear = found[found.z.abs() > SIGNIFICANT]
    bins = pd.cut(found.gap, GAPS, right=False)
    rows = [
        {"from": float(cut.left), "pairs": len(part), "accuracy": accuracy(part)}
        for cut, part in found.groupby(bins, observed=True)
    ]
    named = {"all": found, "significant": clear}
    return {
        "pairwise_accuracy": {name: accuracy(part) for name, part in named.items()},
        "pairs": {name: len(part) for name, part in named.items()},
        "by_gap": rows,
    }


def reliability(promised: Array, right: Array, bins: int = 10) -> dict[str, Any]:
    """Promised against kept: pairs in bins of equal number, the expected calibration error, and the log-loss.

    Expected calibration error: the absolute difference between mean promise and share kept, averaged over bins
    (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, with bins of equal number). Log-loss: the mean
    of minus the logarithm of what was promised of that which came; 0.693 for who always says a half.
    """
    order = np.argsort(promised, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    table = [{"promised": float(promised[p].mean()), "kept": float(right[p].mean()), "pairs": len(p)} for p in parts]
    error = sum(row["pairs"] * abs(row["promised"] - row["kept"]) for row in table)
    came = np.where(right, promised, 1 - promised)
    return {
        "expected_calibration_error": error / len(promised) if len(promised) else math.nan,
        "log_loss": float(-np.log(came).mean()) if len(promised) else math.nan,
        "bins": table,
    }


def captures(
    tests: ArchiveTests,
    earned: Mapping[str, Array],
    ours: Sequence[str],
    rng: np.random.Generator,
    most: Array | None = None,
) -> dict[str, Any]:
    """What policies earned at one traffic.

    Args:
        tests: that were replayed.
        earned: [tests] expected clicks an impression by policy.
        ours: name of the policy whose margin over the best of the others is wanted, and of its variants.
        rng: draws resamples of tests; intervals are paired.
        most: [tests] what no policy earns more than.

    Returns:
        `capture` by policy: (policy - uniform) / (oracle - uniform) of clicks; `gained`: clicks above uniform placement
        in a thousand impressions; `margin`: of ours over the best of the others, which is named in `over`; `bound`,
        what `most` captures, and `of_bound`, the share of it that ours does.
    """
    base, best = tests.uniform, tests.best - tests.uniform

    def over(a: Array, b: Array) -> Interval:
        return bootstrap(np.stack([a - b, best], axis=1), ratio, rng)

    found = {name: over(value, base) for name, value in earned.items()}
    gained = {
        name: bootstrap(np.stack([1000 * (value - base), np.ones_like(base)], axis=1), ratio, rng)
        for name, value in earned.items()
    }
    rival = max((name for name in earned if name not in ours), key=lambda name: found[name]["mean"])
    mine = earned[ours[0]]
    figures = {"capture": found, "gained": gained, "margin": {"over": rival, **over(mine, earned[rival])}}
    if most is not None:
        of_bound = bootstrap(np.stack([mine - base, most - base], axis=1), ratio, rng)
        figures |= {"bound": over(most, base), "of_bound": of_bound}
    return figures


def what_matters(arms: pd.DataFrame, most: int = 12, least: int = 30) -> list[dict[str, Any]]:
    """Words and features of style that go with more or fewer clicks than the other texts of their test have.

    Each is looked at alone, by weighted least squares within tests; what other words come with it is not taken out.
    Kept are those that stand with a false discovery rate of 5% (Benjamini and Hochberg, 1995), strongest first.

    Args:
        arms: `Archive.contrasts`.
        most: how many to keep of each kind and direction.
        least: texts that must hold a word.

    Returns:
        `kind` (word or style), `name`, `texts` that hold it, `effect` on click rate (relative; for style, a standard
        deviation more of it) with its 95% interval.
    """
    texts = arms.text.tolist()
    counter = CountVectorizer(tokenizer=tokens, token_pattern=None, ngram_range=(1, 2), min_df=least, binary=True)
    try:
        words = counter.fit_transform(texts).astype(float)
        names = counter.get_feature_names_out()
    except ValueError:  # no word is in so many texts
        words, names = csr_matrix((len(texts), 0)), np.array([])
    style = Style(texts)(texts) * len(STYLE) ** 0.5
    rows = []
    for kind, table, labels in (("word", words, names), ("style", csr_matrix(style), np.array(list(STYLE)))):
        holds = np.asarray((table != 0).sum(0)).ravel() if kind == "word" else np.full(len(labels), len(texts))
        effect, error = _alone(arms, table)
        rows += [
            {"kind": kind, "name": str(n), "texts": int(t), "effect": e, "error": s}
            for n, t, e, s in zip(labels, holds, effect, error, strict=True)
            if np.isfinite(s)
        ]
    frame = pd.DataFrame(rows)
    if frame.empty:
        return []
    frame["chance"] = false_discovery_control(2 * norm.sf(np.abs(frame.effect / frame.error)))
    frame = frame[frame.chance < 0.05].assign(strength=lambda f: f.effect.abs() / f.error)
    kept = frame.sort_values("strength", ascending=False).groupby(["kind", frame.effect > 0]).head(most)
    return [
        {"kind": row.kind, "name": row.name_, "texts": row.texts, "effect": _relative(row.effect, row.error)}
        for row in kept.rename(columns={"name": "name_"}).itertuples()
    ]


def _alone(arms: pd.DataFrame, table: csr_matrix) -> tuple[Array, Array]:
    """Slope and standard error of effects on each column alone, within groups; [columns] each."""
    group = pd.factorize(arms.group)[0]
    effect, weight = effects(arms.impressions.to_numpy(float), arms.clicks.to_numpy(float), group)
    weight = 1 / (1 / weight + 0.05)
    total = np.bincount(group, weight)
    effect = effect - (np.bincount(group, weight * effect) / total)[group]
    by_group = csr_matrix((weight, (group, np.arange(len(group))))) @ table
    square = np.asarray(table.multiply(table).T @ weight).ravel()
    square = square - np.asarray(by_group.multiply(by_group).T @ (1 / total)).ravel()
    moment = np.asarray(table.T @ (weight * effect)).ravel()
    with np.errstate(divide="ignore", invalid="ignore"):
        some = square > 1e-9
        return np.where(some, moment / square, np.nan), np.where(some, 1 / np.sqrt(square), np.nan)


def _relative(effect: float, error: float) -> Interval:
    low, high = effect - 1.96 * error, effect + 1.96 * error
    return Interval(mean=float(np.expm1(effect)), low=float(np.expm1(low)), high=float(np.expm1(high)))
