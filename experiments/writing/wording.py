"""Swapped prompts: what the tuned writer writes for the same product when the audience is exchanged."""

from typing import Any

import numpy as np

from ...policies.writer.writer import Writer
from ..analysis.fairness.wording import compared
from ..harness.run import Run
from ..study.study import Study, write_for

EACH = 4
"""Texts for every product and audience."""


def audience_wording(study: Study, writer: Writer, products: int, seed: int, run: Run) -> dict[str, Any] | None:
    """Words in which texts differ by audience alone, as summary.json holds them; None where prompts name one audience.

    Texts are as they come from the writer: nothing is chosen among them.

    Args:
        study: its prompts say which products and audiences there are.
        writer: writes.
        products: that are written for, drawn by the seed.
        seed: of all that is drawn.
        run: shows progress.
    """
    audiences = study.audiences
    if len(audiences) < 2 or not products:
        return None
    known = list(dict.fromkeys(product.product_id for product, _ in study.asked))
    order = np.random.default_rng(seed).permutation(len(known))[:products]
    drawn = [study.catalog[known[i]] for i in sorted(order)]
    asked = [(product, audience) for product in drawn for audience in audiences]
    with run.stage("wording by audience", total=len(asked) * EACH) as stage:
        texts = write_for(writer, asked, EACH, seed + 31, stage.advance)
    kinds = {word.lower(): name for name, appeal in study.world.scenario.appeals.items() for word in appeal.words}
    return compared([(c.product_id, c.audience, c.text) for c in texts], kinds, np.random.default_rng(seed))
