"""What a world fitted to one policy's log says that another policy earns, beside the direct method and the truth."""

from pathlib import Path
from typing import Any

import numpy as np

from ....simulation.calibration.evidence import Evidence as LogEvidence
from ....simulation.calibration.fit import Calibration, expected_ctr
from ..off_policy.evaluation import answers, interval_of
from ..off_policy.evidence import Evidence, Known
from ..off_policy.logged import logged_open_bandit
from ..off_policy.policies import own_policy


def foretold(calibration: Calibration, other: LogEvidence, log: Path, other_log: Path, seed: int) -> dict[str, Any]:
    """CTR of an Open Bandit policy: what it earned, and what was foretold from the log of another.

    Args:
        calibration: fitted to the first log alone.
        other: the second log; its clicks are not looked at but for the truth.
        log: folder of the first.
        other_log: folder of the second; the direct method takes how often it chose each item in each position.
        seed: of the direct method's folds.

    Returns:
        `world`, `direct_method` and `earned`, intervals of clicks a shown item; `clicks` of both logs.
    """
    rng = np.random.default_rng(seed)
    first, second = logged_open_bandit(log), logged_open_bandit(other_log)
    known = Known.of(first, 0.0, rng)
    mean, error = expected_ctr(calibration, other)
    return {
        "world": {"mean": mean, "low": max(mean - 1.96 * error, 0.0), "high": mean + 1.96 * error},
        "direct_method": answers(Evidence(own_policy(second, first), known), rng)["dm"].interval,
        "earned": interval_of(block.reward() for block in second),
        "clicks": [known.clicks, sum(int(block.clicked.sum()) for block in second)],
        "policy": other_log.resolve().parent.name,
    }
