"""The texts that a writer is judged by: as they come, or the best of them and of all that was scored on the way."""

from collections.abc import Sequence

import torch

from ...policies.reward.candidates import Candidates
from ...policies.reward.diversity import vendi
from ...policies.reward.select import choose, write_more
from ...policies.tuning.rivals import BEST_OF
from ...simulation.data.catalog import Creative
from .study import Study, StudyOptions, write_for


def final_texts(
    study: Study, options: StudyOptions, each: int, candidates: Candidates, untuned: Sequence[Creative]
) -> tuple[list[Creative], dict[str, float]]:
    """Writes, and chooses among what was written now and while tuning.

    Args:
        study: what is written for.
        options: `samples` texts a prompt are kept.
        each: texts that are written now for each that is kept; with 1 they are not chosen.
        candidates: those that were scored while tuning; they become more.
        untuned: as many texts of the untuned writer, whose diversity is to be kept.

    Returns:
        The texts, and how they were chosen: `among` how many for each, with what `diversity_weight`.
    """
    kept, seed = options.samples, options.seed + 1
    if each == 1:
        return write_for(study.writer, study.asked, kept, seed), {"among": 1.0, "diversity_weight": 0.0}
    write_more(study.writer, study.asked, kept * each, candidates, torch.Generator().manual_seed(seed))
    choice = choose(candidates, kept, options.keep_diversity * vendi(candidates.encode(untuned)))
    among = len(candidates) / len(choice.rows)
    return [candidates.texts[i] for i in choice.rows.tolist()], {"among": among, "diversity_weight": choice.weight}


def written(options: StudyOptions) -> int:
    """Texts written after tuning for each that is kept: best-of-n spends what the others spend on tuning."""
    return max(options.choose, BEST_OF) if options.algorithm == "best-of-n" else options.choose
