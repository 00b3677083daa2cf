"""What counts so far say of tests: lifts, winners, how much longer, and whether impressions were dealt as planned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import pandera.pandas as pa

from ....simulation.data.errors import InputError, understood
from ....simulation.data.tables import finite, not_blank, read_table, whole
from ..statistics.anytime import e_discoveries, lift_bounds, log_e_mismatch, log_e_value, p_value, times_more
from ..statistics.bootstrap import Array

Against: TypeAlias = Literal["rest", "first"]
Metric: TypeAlias = Literal["clicks", "conversions"]
MISMATCH = 0.01
"""An always-valid p-value below which impressions were not dealt as planned, and no winner is called."""

_count = [finite, whole, pa.Check.ge(0, error="a count of zero or more")]
COUNTS = pa.DataFrameSchema(
    {
        "text": pa.Column(str, not_blank, coerce=True),
        "impressions": pa.Column(float, _count, coerce=True),
        "clicks": pa.Column(float, _count, coerce=True),
        "conversions": pa.Column(float, _count, coerce=True, required=False),
        "share": pa.Column(float, [finite, pa.Check.gt(0, error="above zero")], coerce=True, required=False),
        "test_id": pa.Column(str, not_blank, coerce=True, required=False),
        "group": pa.Column(str, coerce=True, required=False, nullable=True),
    },
    strict=False,
)
"""One row a text, or more that are added up (an export by day). `share` is what was planned for the text, alike by
default; `group` what else but the text was shown: texts compete within it."""
NAMES = ["test_id", "group"]


@dataclass(frozen=True)
class Verdict:
    """What may be said of a test now."""

    winner: str | None
    """The text that is better than every other, if that can be said."""
    leader: str
    """The text of the highest rate so far."""
    more: int | None
    """Impressions of all texts that it still takes, at these rates, until the leader can be called the winner; None
    where that is a thousand times what was shown, or more, or nothing is to be called."""
    mismatch: float
    """Always-valid p-value that impressions were dealt as planned."""

    @property
    def dealt(self) -> bool:
        """Whether impressions may well have been dealt as planned."""
        return self.mismatch >= MISMATCH

    def sentence(self) -> str:
        """In words."""
        if not self.dealt:
            return (
                f"not dealt as planned (p = {self.mismatch:.1g} that such shares of the impressions are chance), so "
                "nothing is called: find out why; if the plan was another, give it in a column `share`"
            )
        if self.winner is not None:
            return f"'{self.winner}' wins"
        if self.more is None:
            return "no winner, and none in sight"
        about = f"{float(f'{self.more:.2g}'):,.0f}"
        return f"no winner yet; at these rates '{self.leader}' would be called after about {about} more impressions"


def read_counts(path: Path, columns: Mapping[str, str], metric: Metric) -> pd.DataFrame:
    """Texts of tests with what was counted, a row a text, and `rows` that were added up: those of a test and group side
    by side, which `test` numbers. Texts that were never shown, or stand alone, are left out.

    Raises:
        InputError: the table is no good, has more clicks than impressions or fewer clicks than conversions, names no
            conversions where they are asked for, or a test has one text alone.
    """
    frame = read_table(path, COUNTS, "table of counts", columns)
    if metric == "conversions" and "conversions" not in frame:
        raise InputError(f"{path}: no column 'conversions', which --metric conversions counts; add it, or count clicks")
    for more, fewer in (("impressions", "clicks"), ("clicks", "conversions")):
        wrong = frame.index[frame[fewer] > frame[more]] if fewer in frame else []
        if len(wrong):
            row = frame.loc[wrong[0]]
            told = f"{row[fewer]:,.0f} {fewer} of {row[more]:,.0f} {more}"
            raise InputError(f"{path}: row {wrong[0] + 2}: {told}; correct the row")
    keys = [*(name for name in NAMES if name in frame), "text"]
    if "group" in frame:
        frame["group"] = frame["group"].fillna("")
    sums = {name: "sum" for name in ("impressions", "clicks", "conversions") if name in frame}
    sums |= {"share": "mean"} if "share" in frame else {}
    found = frame.assign(rows=1).groupby(keys, sort=False, as_index=False).agg({**sums, "rows": "sum"})
    if len(found) < len(frame):
        understood.info("%s: %s rows added up to %s texts", path.name, f"{len(frame):,}", f"{len(found):,}")
    if unseen := int((found.impressions == 0).sum()):
        understood.info("%s: left out: %s texts that were never shown", path.name, f"{unseen:,}")
        found = found[found.impressions > 0].reset_index(drop=True)
    number = found.groupby(keys[:-1], sort=False).ngroup() if keys[:-1] else pd.Series(0, index=found.index)
    several = number.groupby(number).transform("size") > 1
    if not several.any():
        raise InputError(f"{path}: no test has two texts; name tests in `test_id`, or add the texts to compare with")
    if not several.all():
        understood.info("%s: left out: %s texts that stand alone", path.name, f"{(~several).sum():,}")
    return found.assign(test=number)[several].sort_values("test", kind="stable").reset_index(drop=True)


def judged(counts: pd.DataFrame, metric: Metric, against: Against, level: float) -> tuple[pd.DataFrame, list[Verdict]]:
    """Texts with their lifts, and the verdict on each test.

    Args:
        counts: as `read_counts` leaves them.
        metric: what is counted as success of an impression.
        against: what a text is held against.
        level: of each test and interval.

    Returns:
        counts with `rate, lift, lift_low, lift_high, p, differs, winner` (the control has no lift), and a verdict a
        test; tests with a winner first.
    """
    tests = [_test(test, metric, against, level) for _, test in counts.groupby("test", sort=False)]
    tests.sort(key=lambda test: test[1].winner is None)
    verdicts = [verdict for _, verdict in tests]
    found = pd.concat([part for part, _ in tests], ignore_index=True)
    dealt = np.repeat([verdict.dealt for verdict in verdicts], [len(part) for part, _ in tests])
    told = found.log_e.notna() & dealt
    found["differs"] = False
    found.loc[told, "differs"] = e_discoveries(found.log_e[told], level)
    return found.drop(columns="log_e"), verdicts


def _test(test: pd.DataFrame, metric: Metric, against: Against, level: float) -> tuple[pd.DataFrame, Verdict]:
    hits, shown = test[metric].to_numpy(np.float64), test.impressions.to_numpy(np.float64)
    others, seen = (hits.sum() - hits, shown.sum() - shown) if against == "rest" else (hits[0], shown[0])
    own = shown / (shown + seen)
    log_e = log_e_value(hits, others, own)
    low, high = lift_bounds(hits, others, own, level)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = (hits / shown) / (np.asarray(others) / seen) - 1
    columns = {"lift": lift, "lift_low": low, "lift_high": high, "p": p_value(log_e), "log_e": log_e}
    if against == "first":
        for column in columns.values():
            column[0] = np.nan  # the control itself
    verdict = _verdict(test.text.tolist(), hits, shown, _mismatch(test), level)
    won = np.array([text == verdict.winner for text in test.text])
    return test.assign(rate=hits / shown, **columns, winner=won), verdict


def _mismatch(test: pd.DataFrame) -> float:
    """Always-valid p-value that impressions were dealt as planned. Where no shares are given, texts were to be shown
    alike, or by the rows in which they stand (a day each, or an arm): either plan will do.
    """
    shown = test.impressions.to_numpy(np.float64)
    plans = [test.share] if "share" in test else [np.ones(len(test)), test.rows]
    return float(p_value(min(log_e_mismatch(shown, plan) for plan in plans)))


def _verdict(texts: list[str], hits: Array, shown: Array, mismatch: float, level: float) -> Verdict:
    """Each pair of arms is tested at level / A for A arms: by Bonferroni over those that may be called, a false winner
    is ever called with a chance of `level` at most. Of two, one test says both.
    """
    leader = int((hits / shown).argmax())
    rest = np.arange(len(texts)) != leader
    needed = float(np.log((1 if len(texts) == 2 else len(texts)) / level))
    dealt = mismatch >= MISMATCH
    times = times_more(hits[leader], hits[rest], shown[leader] / (shown[leader] + shown[rest]), needed)
    more = None if times is None or not dealt else int(np.ceil((times - 1) * shown.sum()))
    return Verdict(texts[leader] if more == 0 else None, texts[leader], more, mismatch)


def counted(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many tests ended how."""
    broken = sum(not verdict.dealt for verdict in verdicts)
    called = sum(verdict.winner is not None for verdict in verdicts)
    return {"tests": len(verdicts), "with a winner": called, "not dealt as planned": broken}
