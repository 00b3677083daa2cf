"""The texts that a writer is judged by: as they come, or the best of them and of all that was scored on the way."""

from collections.abc import Sequence

import torch

from ...policies.reward.scored_texts import ScoredTexts
from ...policies.reward.select import write_more
from ...simulation.data.catalog import Creative
from ..study.options import StudyOptions
from ..study.study import Study, write_for


def final_texts(
    study: Study, options: StudyOptions, each: int, scored: ScoredTexts, untuned: Sequence[Creative]
) -> tuple[list[Creative], dict[str, float]]:
    """Writes, and chooses among what was written now and while tuning.

    Args:
        study: what is written for.
        options: `samples` texts a prompt are kept.
        each: texts that are written now for each that is kept; with 1 they are not chosen.
        scored: texts that were scored while tuning; they become more.
        untuned: as many texts of the untuned writer, whose diversity is to be kept.

    Returns:
        The texts, and how they were chosen: `among` how many for each, with what `diversity_weight`.
    """
    kept, seed = options.writing.samples, options.run.seed + 1
    if each == 1:
        return write_for(study.writer, study.asked, kept, seed), {"among": 1.0, "diversity_weight": 0.0}
    write_more(study.writer, study.asked, kept * each, scored, torch.Generator().manual_seed(seed))
    choice = scored.best(kept, untuned)
    among = len(scored) / len(choice.rows)
    return [scored.texts[i] for i in choice.rows.tolist()], {"among": among, "diversity_weight": choice.weight}
