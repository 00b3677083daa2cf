"""How much noise a privacy budget takes: Opacus' accountant, asked of sums over all users, one released after another.

Nobody is sampled: every release is a Gaussian mechanism on all users, and k of them with noise s are one with
s / sqrt(k). The accountant composes privacy loss distributions (Gopi et al., NeurIPS 2021); Renyi orders (Mironov,
CSF 2017) would say about 7% more.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any

from ...simulation.data.errors import InputError

MISSING = "--private.epsilon: opacus is not installed; pip install 'copybandit[private]'"
ERROR = 0.01
"""What the accountant may be off in epsilon; what is asked for holds with it."""


@dataclass(frozen=True)
class Budget:
    """What a run may spend on one user: (epsilon, delta), and the noise that all its releases then need."""

    epsilon: float
    delta: float
    clip: float
    """Norm to which what one user adds to a release is cut, in clicks; see `private`."""
    releases: int
    """Noisy sums that the whole run publishes of the same users."""
    noise_multiplier: float
    """Standard deviation of the noise, in units of `clip`."""

    @classmethod
    def of(cls, epsilon: float, delta: float, clip: float, releases: int) -> "Budget":
        """The least noise that keeps (epsilon, delta) over all releases.

        Raises:
            InputError: Opacus is not installed, or no noise is enough.
        """
        return cls(epsilon, delta, clip, releases, noise_for(epsilon, delta, releases))

    def facts(self) -> dict[str, Any]:
        """What a summary says of it."""
        return {
            "epsilon": self.epsilon,
            "delta": self.delta,
            "unit": "user: all rows of one, added or removed",
            "clip": self.clip,
            "steps": self.releases,
            "noise_multiplier": self.noise_multiplier,
        }


def noise_for(epsilon: float, delta: float, releases: int) -> float:
    """The noise multiplier of each of so many releases that together are (epsilon, delta)-private.

    Raises:
        InputError: Opacus is not installed, or no noise is enough.
    """
    try:
        from opacus.accountants.utils import get_noise_multiplier  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError(MISSING) from None
    if math.isinf(epsilon):
        return 0.0
    with warnings.catch_warnings(), _quiet_log_of_zero():
        warnings.simplefilter("ignore")
        try:
            return get_noise_multiplier(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=1.0,
                steps=releases,
                accountant="prv",
                epsilon_tolerance=ERROR,
            )
        except (ValueError, RuntimeError) as wrong:
            raise InputError(f"--private.epsilon {epsilon}: no noise is enough ({wrong}); give a larger one") from None


def _quiet_log_of_zero() -> Any:
    import numpy as np

    return np.errstate(divide="ignore", invalid="ignore")
