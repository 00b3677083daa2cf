"""How often rules and classifier err on labelled lines: `python -m copybandit.policies.compliance.rates FILES`."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...simulation.data.catalog import Catalog, Creative, Product
from ...simulation.data.errors import InputError
from .classifier import shipped
from .filter import Compliance

COLUMNS = ("split", "language", "text", "title", "brand", "category", "price", "label")
VERDICTS = ("language", "text", "title", "brand", "price", "publishable")
"""Columns of lines that have only a verdict, `yes` or `no`; where there is no `split`, halves are drawn."""
LANGUAGES = {"en": "English", "zh": "Chinese"}
HALVES = ("learned from", "untouched")
TESTED = ("untouched", "test")
"""Splits from which neither rules nor classifiers learn."""
SEED = 0
"""Draws the halves."""
BREACH = "any breach"
"""Label of all that may not be published."""


def wilson(wrong: int, lines: int) -> tuple[float, float]:
    """95% interval of a share (Wilson, "Probable inference", JASA 1927)."""
    if not lines:
        return 0.0, 1.0
    z, share = 1.959964, wrong / lines
    middle, width = share + z * z / (2 * lines), z * math.sqrt(share * (1 - share) / lines + z * z / (4 * lines**2))
    scale = 1 + z * z / lines
    return max(0.0, (middle - width) / scale), min(1.0, (middle + width) / scale)


def judged(path: Path) -> pd.DataFrame:
    """The labelled lines, with `refused`, and `kinds` of the refusing breaches.

    Raises:
        InputError: the file cannot be read or lacks a column.
    """
    try:
        lines = pd.read_csv(path, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); give a CSV") from None
    if missing := [name for name in (VERDICTS if "publishable" in lines else COLUMNS) if name not in lines]:
        raise InputError(f"{path}: no column {', '.join(missing)}; add it")
    if "publishable" in lines:
        lines = _labelled(lines, path)
    products = [
        Product(str(i), str(line.title), str(line.category), float(str(line.price)), str(line.brand))
        for i, line in enumerate(lines.itertuples())
    ]
    # Each line has a catalog of its own: another line's brand is no matter here.
    found = [
        Compliance.of(Catalog([product])).check([Creative(product.product_id, text)])[0]
        for product, text in zip(products, lines.text, strict=True)
    ]
    kinds = [frozenset(breach.kind for breach in row if breach.severity == "refuse") for row in found]
    return lines.assign(kinds=kinds, refused=[bool(row) for row in kinds])


def _labelled(lines: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Lines with verdicts as lines with labels; half of them, drawn by a seed, are those that rules may learn from."""
    said = lines.publishable.str.strip().str.lower()
    if wrong := [row for row, word in enumerate(said, start=2) if word not in ("yes", "no")]:
        raise InputError(f"{path}: row {wrong[0]}: publishable is neither yes nor no; correct it")
    half = np.random.default_rng(SEED).permutation(len(lines)) % 2
    price = pd.to_numeric(lines.price, errors="coerce").fillna(0.0)
    split = lines.split if "split" in lines else np.take(HALVES, half)
    return lines.assign(label=said.map({"yes": "ok", "no": BREACH}), split=split, category="", price=price)


def rates(path: Path) -> pd.DataFrame:
    """Errors by split, language and label: `ok` refused, or a breach passed.

    Returns:
        Columns split, language, label (`BREACH` for all of them), lines, wrong, rate, low, high (Wilson, 95%), and
        other_kind: how many were refused, but for another kind than the label's.

    Raises:
        InputError: the file cannot be read or lacks a column.
    """
    lines = judged(path)
    lines["wrong"] = lines.refused == (lines.label == "ok")
    lines["other"] = [
        r and a not in ("ok", BREACH) and a not in k
        for r, a, k in zip(lines.refused, lines.label, lines.kinds, strict=True)
    ]
    pooled = lines[~lines.label.isin(["ok", BREACH])].assign(label=BREACH)
    rows = []
    for (split, language, label), part in pd.concat([lines, pooled]).groupby(["split", "language", "label"]):
        wrong, n = int(part.wrong.sum()), len(part)
        rows.append((split, language, label, n, wrong, wrong / n, *wilson(wrong, n), int(part.other.sum())))
    names = ["split", "language", "label", "lines", "wrong", "rate", "low", "high", "other_kind"]
    return pd.DataFrame(rows, columns=names)


def told(path: Path) -> str:
    """Errors by split and language as a table for a page: breaches that pass, and good lines that are refused.

    Raises:
        InputError: see `rates`.
    """
    found = rates(path).set_index(["split", "language", "label"])
    rows = []
    for split, language in dict.fromkeys((split, language) for split, language, _ in found.index):
        cells = [found.loc[(split, language, label)] for label in (BREACH, "ok")]
        shares = [f"{one.wrong:.0f} of {one.lines:.0f} ({one.low:.0%} to {one.high:.0%})" for one in cells]
        rows.append(f"| {split}, {LANGUAGES.get(language, language)} | {' | '.join(shares)} |")
    return "\n".join(rows)


def labelled(files: Sequence[Path]) -> pd.DataFrame:
    """The lines of all authors, one file each: those of `judged`, with `author` (the file's name) and `bad`.

    Raises:
        InputError: see `judged`.
    """
    lines = pd.concat([judged(path).assign(author=path.stem) for path in files], ignore_index=True)
    return lines.assign(bad=lines.label != "ok")


def with_flags(lines: pd.DataFrame, flagged: NDArray[np.bool_]) -> dict[str, dict[str, dict[str, float]]]:
    """What passes rules alone, and rules and a person who looks at every flag, by author and language.

    Args:
        lines: of `labelled`.
        flagged: [n] whether a classifier flags each.

    Returns:
        For «author, language», where the author's lines were kept apart with their split, each of `breaches passed by
        rules`, `breaches passed by rules and flags`, `good lines refused` and `good lines flagged` (those that no rule
        refuses): `wrong`, `lines`, and the 95% interval `low`, `high` (Wilson).
    """
    apart = [f", {split}" if split in TESTED else "" for split in lines.split]
    names = lines.author + apart + ", " + lines.language.map(LANGUAGES)
    passed, flagged = ~lines.refused, flagged & ~lines.refused
    what = {
        "breaches passed by rules": (lines.bad, passed),
        "breaches passed by rules and flags": (lines.bad, passed & ~flagged),
        "good lines refused": (~lines.bad, lines.refused),
        "good lines flagged": (~lines.bad, flagged),
    }
    return {
        name: {key: _share(wrong, of & (names == name)) for key, (of, wrong) in what.items()}
        for name in dict.fromkeys(names)
    }


def _share(wrong: pd.Series, of: pd.Series) -> dict[str, float]:
    n, lines = int((wrong & of).sum()), int(of.sum())
    low, high = wilson(n, lines)
    return {"wrong": n, "lines": lines, "low": round(low, 3), "high": round(high, 3)}


def flags_told(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """`with_flags` as a table for a page."""
    rows = []
    for name, cells in found.items():
        shares = [f"{c['wrong']} of {c['lines']} ({c['low']:.0%} to {c['high']:.0%})" for c in cells.values()]
        rows.append(f"| {name} | {' | '.join(shares)} |")
    return "\n".join(rows)


def main(arguments: Sequence[str]) -> None:
    """Prints the errors of rules by split and language, and those of rules and the classifier that ships, by author.

    Raises:
        InputError: a file cannot be read or lacks a column, or none is given.
    """
    files = [Path(one) for one in arguments]
    if not files:
        raise InputError("no file is given; give CSVs of labelled lines, one for each author")
    for path in files:
        print(f"{rates(path).round(3).to_string(index=False)}\n{told(path)}")
    lines = labelled(files)
    print(flags_told(with_flags(lines, shipped().flags(lines.text.tolist()))))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
