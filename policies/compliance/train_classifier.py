"""Learns the classifier of breaches: `python -m copybandit.policies.compliance.train_classifier FILES --out FILE`.

Each file is one author's lines. An author's next line resembles the one before, and a stranger's does not: so what is
measured, and where a text is flagged, comes of models that saw no line of the author.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...simulation.data.errors import InputError
from .classifier import LANGUAGES, Classifier, Model, features, language_of
from .rates import TESTED, flags_told, labelled, with_flags

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FLAGGED = 0.05
"""Share of the good lines that patterns pass, of authors not seen, that are flagged."""
STRENGTH = 1.0
"""Inverse of the penalty on weights (scikit-learn's C)."""
FEWEST = 2
"""Authors that are needed: one is left out."""


def train(lines: pd.DataFrame) -> Classifier:
    """A model for each language.

    Args:
        lines: of `labelled`, `rates.py`; those of the splits `TESTED` are left out.

    Raises:
        InputError: a language has too few authors, or one without good lines or breaches.
    """
    learned = lines[~lines.split.isin(TESTED)]
    languages = learned.text.map(language_of)
    return Classifier({language: _model(learned[languages == language], language) for language in LANGUAGES})


def left_out(lines: pd.DataFrame) -> NDArray[np.bool_]:
    """[n] whether each line is flagged by a classifier that saw no line of its author, threshold and all."""
    flagged = np.zeros(len(lines), dtype=bool)
    for author in lines.author.unique():
        his = (lines.author == author).to_numpy()
        flagged[his] = train(lines[~his]).flags(lines.text[his].tolist())
    return flagged


def _model(lines: pd.DataFrame, language: str) -> Model:
    """The model of all lines; its threshold is that at which models without an author flag `FLAGGED` of the good."""
    authors = lines.author.to_numpy()
    names = sorted(set(authors))
    if len(names) < FEWEST or any(lines.bad[authors == name].nunique() < 2 for name in names):
        raise InputError(
            f"{language}: needs good lines and breaches of {FEWEST} authors at least; {', '.join(names) or 'none'} "
            "do not do; give more files"
        )
    rows, bad = features(lines.text.tolist(), language), lines.bad.to_numpy()
    strangers = np.zeros(len(lines))
    for name in names:
        his = authors == name
        strangers[his] = Model(*_fitted(rows[~his], bad[~his]), 0.0).probabilities(rows[his])
    passed = ~bad & ~lines.refused.to_numpy()
    return Model(*_fitted(rows, bad), float(np.quantile(strangers[passed], 1 - FLAGGED)))


def _fitted(rows: "csr_matrix", bad: NDArray[np.bool_]) -> tuple[NDArray[np.float32], float]:
    """Weights and bias. Rare n-grams are penalised less, as by the inverse document frequency."""
    from sklearn.linear_model import LogisticRegression

    rarity = np.log((1 + rows.shape[0]) / (1 + rows.getnnz(axis=0))) + 1
    model = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=2000)
    model.fit(rows.multiply(rarity).tocsr(), bad)
    return (model.coef_[0] * rarity).astype(np.float32), float(model.intercept_[0])


def main(arguments: Sequence[str]) -> None:
    """Trains, writes the file, and prints where it flags; or prints what is flagged of authors who are left out.

    Raises:
        InputError: a file is no good, see `labelled` and `train`, or `--out` is there already.
    """
    parser = argparse.ArgumentParser(prog="train_classifier", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="labelled lines, one file an author")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--out", type=Path, help="where the weights go")
    asked.add_argument("--left-out", action="store_true", help="errors on each author by models of the others")
    given = parser.parse_args(arguments)
    out: Path | None = given.out
    if out is not None and out.exists():
        raise InputError(f"{out}: is there already; name another file")
    lines = labelled(given.files)
    if out is None:
        print(flags_told(with_flags(lines, left_out(lines))))
        return
    classifier = train(lines)
    authors = lines.author[~lines.split.isin(TESTED)].value_counts().sort_index()
    classifier.save(out, {str(name): int(n) for name, n in authors.items()})
    for language, model in classifier.models.items():
        print(f"{language}: flags from {model.threshold:.3f}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
