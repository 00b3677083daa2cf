"""Learning rates that fit a writer where none is given: the larger a model, and the more it has read, the smaller."""

from ..writer.writer import Writer

LARGE = 50_000_000
"""Weights from which on a model is large."""
ADAPTED = 10.0
"""An adapter's few weights want so many times the rate of a whole large model's."""


def is_large(writer: Writer) -> bool:
    """Whether it has `LARGE` weights or more."""
    return sum(weight.numel() for weight in writer.model.parameters()) >= LARGE


def fitting_rate(given: float | None, writer: Writer, *, small: float, large: float) -> float:
    """The learning rate.

    Args:
        given: by the user; None for one that fits.
        writer: that learns.
        small: for a small model.
        large: for one of `LARGE` weights or more; where an adapter learns in its place, `ADAPTED` times that.
    """
    if given is not None:
        return given
    if not is_large(writer):
        return small
    return large * (ADAPTED if hasattr(writer.model, "peft_config") else 1.0)
