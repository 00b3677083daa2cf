"""Headlines that nobody has tested, as a predictor sees them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import torch
from numpy.typing import NDArray

from ...policies.headlines.predictor import Predictor
from ...simulation.data.catalog import Creative
from ...simulation.data.columns import read_here
from ...simulation.data.tables import not_blank
from ..analysis.drawing.formats import told_reasons
from ..analysis.statistics.bootstrap import Array
from ..analysis.statistics.sequential import sample_size
from ..harness.rules import NOTHING, RulesOptions
from .told import best_first, read_texts, refusing

TEXTS = pa.DataFrameSchema(
    {
        "text": pa.Column(str, not_blank, coerce=True),
        "test_id": pa.Column(str, not_blank, coerce=True, required=False),
        "about": pa.Column(str, coerce=True, required=False, nullable=True),
    },
    strict=False,
)
"""What is brought: texts, and the test that each stands in; without it all stand in one. `about` is for its readers."""
CAVEAT = (
    "A prediction from other headlines' tests, with the doubt that these leave. Only a test of these very texts, "
    "before your own readers, says what they earn."
)


def score_headlines(
    source: Path,
    columns: Mapping[str, str],
    folder: Path | None,
    reasons: int,
    publishing: RulesOptions,
    device: torch.device,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Scores, those of a test side by side and the best first; and what the summary says.

    Args:
        source: table of texts, or a folder of such tables, see `read_texts`.
        columns: its names of columns by our own.
        folder: of the predictor; None for the one that comes along.
        reasons: how many are given for each text.
        publishing: rules on what texts may say.
        device: where sentence vectors are computed.

    Raises:
        InputError: the table is no good, a text stands twice in a test, or there is no such predictor.
    """
    columns = read_here(columns, TEXTS.columns)
    frame = read_texts(source, TEXTS, columns)
    predictor = Predictor.load(folder, device)
    texts, tests = frame.text.tolist(), frame.test_id.tolist() if "test_id" in frame else None
    scores = pd.concat([frame, predictor.predict(texts, tests)], axis=1)
    if reasons:
        scores["reasons"] = told_reasons(predictor.reasons(texts, reasons))
    scores["refused"] = refusing(publishing.compliance(NOTHING, ()), [Creative("", text) for text in texts])
    scores, test = best_first(scores, "rate")
    scores["to_tell"] = to_tell(scores.rate.to_numpy(), test)
    summary = {
        "scored": {
            "texts": len(scores),
            "tests": int(test.max()) + 1,
            "unfamiliar": int((scores.familiar < predictor.usual).sum()),
        },
        "predictor": vars(predictor.calibration) | {"encoder": predictor.encoder or "none", **predictor.facts},
        "caveat": CAVEAT,
        "notes": [f"Predictor: {'that of the package' if folder is None else folder}."],
    }
    return scores, summary


def to_tell(rates: Array, tests: NDArray[np.int64]) -> pd.Series:
    """Impressions a text that a test needs to tell each text from the next best of its test, at 80% power.

    Args:
        rates: [n] click rates, those of a test side by side and falling.
        tests: [n] which test each stands in.

    Returns:
        [n] whole numbers; missing for the last text of a test, and where two rates are the same.
    """
    found: list[int | None] = []
    for i in range(len(rates)):
        next_one = i + 1 < len(rates) and tests[i + 1] == tests[i] and rates[i + 1] < rates[i]
        found.append(sample_size(float(rates[i]), float(rates[i + 1])) if next_one else None)
    return pd.Series(found, dtype="Int64")
