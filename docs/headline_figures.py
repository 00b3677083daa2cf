"""README's figures, from the summaries in `evidence/results`: `python docs/headline_figures.py` prints the table."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "evidence" / "results"


def rows() -> list[str]:
    """The rows of the table."""
    demo, archive = (_summary(name) for name in ("demo", "archive"))
    grid, seconds = demo["grid"], sum(demo["wall_seconds"].values())
    fooled = sum(attack["proxy"] > 0 for attack in demo["attacks"].values())
    found = {
        "clicks an impression (CTR), built-in shop": _interval(demo["lift"]["ctr"]),
        "reward an impression: untuned texts placed uniformly, tuned texts placed by the bandit": (
            f"{grid['untuned']['uniform']['mean']:.3f}, {grid['tuned']['bandit']['mean']:.3f}"
        ),
        "texts that are not garbled to the simulated readers, untuned and tuned": _both(demo["readable"]),
        "texts with a claim that no field supports, untuned and tuned": _both(demo["false_claims"]),
        f"attacks on the reward that raise it, of {len(demo['attacks'])}": str(fooled),
        "minutes that its stages took, on one thread of a busy machine": f"{seconds / 60:.1f}",
        "CTR on real headlines of the Upworthy archive, by a writer that learns from them alone, seed 0": _interval(
            archive["lift"]["ctr"]
        ),
        "true variance between unseen headlines that its effect model explains": (
            f"{archive['effect_model']['click']['explained']:.0%}"
        ),
    }
    return [f"| {what} | {value} |" for what, value in found.items()]


def _summary(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _interval(lift: dict[str, float]) -> str:
    return f"{lift['mean']:+.1%} [{100 * lift['low']:.1f}, {100 * lift['high']:.1f}]"


def _both(shares: dict[str, float]) -> str:
    return f"{shares['untuned']:.1%}, {shares['tuned']:.1%}"


if __name__ == "__main__":
    print("\n".join(rows()))
