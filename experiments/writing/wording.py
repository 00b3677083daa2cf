"""What the tuned writer writes for the same product when the audience is exchanged: words in which texts differ."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...policies.writer.writer import Writer
from ...simulation.data.catalog import Creative
from ..analysis.fairness.wording import compared
from ..harness.files import write_table
from ..harness.run import Run
from ..study.study import Study, write_for

EACH = 4
"""Texts for every product and audience, of the writer by itself."""


def audience_wording(
    study: Study, writer: Writer, shown: Sequence[Creative], products: int, seed: int, run: Run
) -> dict[str, Any] | None:
    """Words in which texts differ by audience alone, as summary.json holds them; None where prompts name one audience.

    They may come from the writer, or from the choice among its texts: `written` is of texts as they come, for swapped
    prompts; `shown`, of those that were chosen to be shown. Both are left in wording.csv.

    Args:
        study: its prompts say which products and audiences there are.
        writer: writes.
        shown: texts for all prompts, as many for each.
        products: that are written for once more, drawn by the seed.
        seed: of all that is drawn.
        run: where the table goes.
    """
    audiences = study.audiences
    if len(audiences) < 2 or not products:
        return None
    known = list(dict.fromkeys(product.product_id for product, _ in study.asked))
    order = np.random.default_rng(seed).permutation(len(known))[:products]
    asked = [(study.catalog[known[i]], audience) for i in sorted(order) for audience in audiences]
    with run.stage("wording by audience", total=len(asked) * EACH) as stage:
        written = write_for(writer, asked, EACH, seed + 31, stage.advance)
        kinds = {word.lower(): name for name, appeal in study.world.scenario.appeals.items() for word in appeal.words}
        rng = np.random.default_rng(seed)
        found = {
            name: compared([(c.product_id, c.audience, c.text) for c in texts], kinds, rng)
            for name, texts in (("written", written), ("shown", shown))
        }
    rows = [
        {"texts": name, **{key: value for key, value in word.items() if key != "share"}, **word["share"]}
        for name, part in found.items()
        for word in part["differs"]
    ]
    names = ["texts", "word", "kind", "sensitive", "most", "least", "p", "q", *audiences]
    write_table(run.path / "wording.csv", pd.DataFrame(rows, columns=names))
    return found
