"""Privacy for the users of a log: the options, the logs by user, and effect models learned from them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...policies.effect.accountant import Budget
from ...policies.effect.effect_file import is_effect, read_effect, save_effect
from ...policies.effect.model import EffectModel
from ...policies.effect.private import MEMBERS, RELEASES, fit_private_effect_model, secret_noise
from ...policies.writer.reading import FrozenReader
from ...simulation.data.catalog import EVERYONE, Catalog
from ...simulation.data.errors import InputError
from ...simulation.user_log import UserLog, user_log_of
from ..harness.options import Idle
from ..harness.run import Run

if TYPE_CHECKING:
    from .options import StudyOptions
    from .pictures import Pictures

FITS = 2
"""Models that learn from the same users: the effect model, and the one that validates the writer."""
PUBLIC = (
    "the catalog, the texts that were shown and the names of segments and channels, from which vocabularies and scales "
    "are taken",
    "the number of users and of rows",
)
"""What is not protected because it is taken as known."""
OUTSIDE = (
    "all that bandits learn from live clicks, and with --rounds which texts they keep on show; log.parquet and what "
    "else `loop` leaves of its placement",
    "a world that `calibrate` fitted to your log, and other runs on the same users: budgets add up",
    "the choice of --private.clip, if it was made by looking at the log",
)
"""What the guarantee does not cover."""


@dataclass(frozen=True)
class PrivateOptions:
    """Differential privacy for the users in the log."""

    epsilon: float | None = None
    """The effect model, and so the writer, is learned such that no user's rows show: (epsilon, delta)-differentially
    private for users, the smaller the more. It needs the extra `private` and a log that tells users apart."""
    delta: float = 1e-5
    """Chance that epsilon does not hold; far below one over the number of users."""
    clip: float = 5.0
    """Where a user's gradient is cut, in clicks of no pattern added up at random: those of a user with n have a norm of
    about the root of n. A lower one takes less noise and tells heavy users' tastes less."""

    def __post_init__(self) -> None:
        if self.epsilon is not None and not 0 < self.epsilon < float("inf"):
            raise InputError(f"--private.epsilon {self.epsilon}: give a finite number above 0, such as 4")
        if not 0 < self.delta < 1:
            raise InputError(f"--private.delta {self.delta}: give a number between 0 and 1, such as 1e-5")
        if not 0 < self.clip < float("inf"):
            raise InputError(f"--private.clip {self.clip}: give a finite number above 0, such as 5")

    def idle(self) -> Idle:
        """They count with an epsilon."""
        return {} if self.epsilon is not None else dict.fromkeys(("private.delta", "private.clip"), WITHOUT)

    def budget(self, rounds: int = 1) -> Budget | None:
        """What all fits of a run may spend together; None where privacy is not asked for.

        Raises:
            InputError: Opacus is not installed, or no noise is enough.
        """
        if self.epsilon is None:
            return None
        return Budget.of(self.epsilon, self.delta, self.clip, FITS * rounds * RELEASES)


WITHOUT = "without --private.epsilon"


def user_logs_of(table: pd.DataFrame, catalog: Catalog) -> tuple[UserLog, UserLog, UserLog]:
    """A log by user, to learn from, none to measure on, and a fifth to validate by.

    Segments are those that the log declares; none are looked for, as that would look at what users did.
    """
    turn = pd.factorize(table.impression_id)[0] % 5
    product = np.asarray(catalog.category_of)[catalog.product_indices(catalog.ads)]
    segments = sorted(table.user_segment.unique()) if "user_segment" in table else [EVERYONE]
    slots, channels = int(table.position.max()) + 1, sorted(table.channel.unique())
    parts = (table[turn != 0], table.iloc[:0], table[turn == 0])
    made = [user_log_of(part, catalog.ads, product.tolist(), segments, channels, slots) for part in parts]
    return made[0], made[1], made[2]


def learn_privately(
    catalog: Catalog,
    train: UserLog,
    held: UserLog | None,
    options: "StudyOptions",
    run: Run,
    reader: FrozenReader | None,
    pictures: "Pictures | None",
    budget: Budget,
) -> tuple[EffectModel, EffectModel | None]:
    """The effect model and the one that validates the writer.

    A run that is resumed takes those that it left: to learn them again would spend the budget again.
    """
    if reader is not None:
        reader.keep(train.creatives)
    found: list[EffectModel | None] = []
    for name, log, seed in (("effect model", train, 0), ("validation model", held, 50)):
        folder = run.path / "state" / name
        if log is None:
            found.append(None)
            continue
        if run.resumed and is_effect(folder):
            found.append(_restored(read_effect(folder)[1], reader))
        else:
            with run.stage(name, total=len(MEMBERS)) as stage:
                model = fit_private_effect_model(
                    log,
                    catalog,
                    options.effect,
                    budget,
                    noise=secret_noise(),
                    reads=reader,
                    pictures=None if pictures is None else pictures.table,
                    seed=options.run.seed + seed,
                    progress=stage.advance,
                )
                stage.advance(0, f"epsilon {budget.epsilon:g} for users")
            save_effect(model, folder)
            found.append(model)
    effect = found[0]
    assert effect is not None
    return effect, found[1]


def _restored(state: dict[str, Any], reader: FrozenReader | None) -> EffectModel:
    def reads(catalog: Catalog) -> FrozenReader:
        assert reader is not None
        return reader

    return EffectModel.restored(state, reads)


def privacy_facts(budget: Budget) -> dict[str, Any]:
    """`privacy` of summary.json."""
    return budget.facts() | {"public": list(PUBLIC), "outside": list(OUTSIDE)}


def told_privacy(budget: Budget) -> str:
    """One line of the report's data sheet."""
    return (
        f"({budget.epsilon:g}, {budget.delta:g})-differentially private for users, by {budget.releases} sums cut at "
        f"{budget.clip:g} with noise {budget.noise_multiplier:.2f}. Taken as public: {'; '.join(PUBLIC)}. Not covered: "
        f"{'; '.join(OUTSIDE)}"
    )
