"""Where every study begins: with a catalog, or with an archive of real tests."""

from dataclasses import replace

import torch

from ...policies.compliance.platforms import Platform
from ...policies.compliance.rules import rules_of
from ...policies.effect.accountant import Budget
from ...policies.writer.writer import WriterConfig
from ..harness.options import torch_device
from ..harness.run import Run
from .archive import archive_study
from .options import StudyOptions
from .shop import shop_study
from .study import Study


def make_study(
    options: StudyOptions,
    run: Run,
    hours: float | None = None,
    validation: int = 0,
    budget: Budget | None = None,
) -> Study:
    """The study that the options ask for; from here on, torch sums in a fixed order on the CPU.

    Args:
        options: sizes and files.
        run: where all goes.
        hours: in which what is learned from is logged in the world; by default what its visits take.
        validation: impressions that the model that validates the writer learns from; with 0 there is none.
        budget: what may be learned of each user; None where privacy is not asked for.

    Raises:
        InputError: an option or a file is no good.
    """
    if torch_device(options.device).type == "cpu":
        # Threads that add into the same place in no fixed order would change the last bits, and PPO all that follows.
        torch.use_deterministic_algorithms(True, warn_only=True)
    rules_of(options.publishing.rules)  # what is wrong with a file is said before anything is computed
    options = replace(options, writer=_limited(options))
    if options.data.archive is not None:
        return archive_study(options, run, validation)
    return shop_study(options, run, hours, validation, budget)


def _limited(options: StudyOptions) -> WriterConfig:
    """The writer's settings, which keep the platform's limit of characters where they name none."""
    platform, most = options.publishing.platform, options.writer.max_characters
    if not platform or most is not None:
        return options.writer
    return replace(options.writer, max_characters=Platform.of(platform).characters)
