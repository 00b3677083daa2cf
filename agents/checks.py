"""What agents refuse. On the CPU at once; on a GPU without waiting for it, at the next call."""

import dataclasses
import math

import torch
from torch import Tensor

from ..simulation.data.errors import InputError
from ..simulation.visits import Feedback, Impressions


class Guard:
    """Collects conditions on inputs.

    A condition is one bool on the device. On the CPU a false one raises at once. On a GPU reading it would stall the
    stream: the caller makes its update void where the condition is false (a weight of zero), and the error is raised
    by a later call, when the answer has arrived.
    """

    def __init__(self, device: torch.device, deferred: bool | None = None) -> None:
        """Deferred on CUDA devices, unless said otherwise."""
        self.deferred = device.type == "cuda" if deferred is None else deferred
        self._waiting: list[tuple[Tensor, torch.cuda.Event | None, str]] = []

    def require(self, condition: Tensor, message: str) -> Tensor:
        """Raises `InputError(message)` if false, now or at a later `settle`; hands the condition back."""
        if not self.deferred:
            if not condition:
                raise InputError(message)
            return condition
        event = None
        answer = condition.to("cpu", non_blocking=True)
        if condition.is_cuda:
            event = torch.cuda.Event()
            event.record()
        self._waiting.append((answer, event, message))
        return condition

    def settle(self, wait: bool = False) -> None:
        """Raises for the first false condition whose answer is here; all of them if `wait`."""
        while self._waiting:
            answer, event, message = self._waiting[0]
            if event is not None and not wait and not event.query():
                return
            if event is not None:
                event.synchronize()
            self._waiting.pop(0)
            if not answer:
                self._waiting.clear()
                raise InputError(f"{message} (in an earlier call, which was ignored)" if event else message)


class Familiar:
    """Remembers tensors, so that what was looked at is not looked at again while it is the same and unchanged."""

    def __init__(self) -> None:
        self._known: list[tuple[Tensor, int]] = []

    def remember(self, *tensors: Tensor | None) -> None:
        """Remembers these, and no others."""
        self._known = [(tensor, tensor._version) for tensor in tensors if tensor is not None]

    def all_of(self, *tensors: Tensor | None) -> bool:
        """Whether these are exactly what is remembered, in order."""
        given = [tensor for tensor in tensors if tensor is not None]
        return len(given) == len(self._known) and all(
            tensor is known and tensor._version == version
            for tensor, (known, version) in zip(given, self._known, strict=True)
        )

    def forget(self) -> None:
        """Remembers nothing."""
        self._known = []


class Candidates:
    """Checks [K] candidates; the same tensor is not looked at twice."""

    def __init__(self) -> None:
        self._last: tuple[Tensor, int] | None = None
        self.all_arms = False
        """Whether the last candidates were all arms in order."""

    def check(self, candidates: Tensor, active: Tensor, slots: int) -> bool:
        """Raises `InputError` where [K] candidates are no K >= `slots` different arms out of `active`, [arms] bool.

        Returns:
            Whether they were looked at; the same tensor is not looked at twice.
        """
        last = self._last
        if last and last[0] is candidates and last[1] == candidates._version:
            return False
        self._last = None
        if candidates.dim() != 1 or candidates.dtype != torch.int64:
            raise InputError(f"candidates: expected [K] int64, got {list(candidates.shape)} {candidates.dtype}")
        k = len(candidates)
        if k < slots:
            raise InputError(f"candidates: {k} for {slots} slots; a slate repeats no creative, give {slots} or more")
        if int(candidates.min()) < 0 or int(candidates.max()) >= len(active):
            raise InputError(f"candidates: an unknown arm; known are 0 to {len(active) - 1}, add_arms makes room")
        if len(candidates.unique()) < k:
            raise InputError("candidates: an arm stands there twice")
        if not bool(active[candidates].all()):
            raise InputError("candidates: an arm that was removed")
        self.all_arms = k == len(active) and bool((candidates == torch.arange(k, device=candidates.device)).all())
        self._last = (candidates, candidates._version)
        return True

    def forget(self) -> None:
        """Looks at the next candidates again, whatever they are."""
        self._last = None


def check_contexts(impressions: Impressions, width: int | None, guard: Guard) -> Tensor:
    """One bool on the device: contexts are finite. Raises `InputError` where their shape is not [B, width]."""
    context = impressions.context
    if context.dim() != 2 or len(context) == 0 or (width is not None and context.shape[1] != width):
        raise InputError(f"impressions.context: expected [B, {width or 'd'}], B >= 1, got {list(context.shape)}")
    if width is None:
        return torch.ones((), dtype=torch.bool, device=context.device)
    # A sum is finite if all terms are, and is one pass; it is taken as the model will read it.
    return guard.require(context.float().sum().isfinite(), "impressions.context: a value is NaN or infinite")


def check_shapes(feedback: Feedback) -> None:
    """Raises `InputError` where the parts of feedback do not fit together."""
    shape = feedback.slates.shape
    if feedback.slates.dtype != torch.int64:
        raise InputError(f"feedback.slates: expected int64 arms, got {feedback.slates.dtype}")
    if len(shape) != 2 or shape[0] != len(feedback.impressions):
        raise InputError(f"feedback.slates: expected [{len(feedback.impressions)}, L], got {list(shape)}")
    for name in ("clicked", "converted", "propensities"):
        value = getattr(feedback, name)
        if value is not None and value.shape != shape:
            raise InputError(f"feedback.{name}: expected {list(shape)}, got {list(value.shape)}")


CLICKED = "feedback.clicked: each must be 0, 1, or NaN where it is not known yet"
CONVERTED = "feedback.converted: each must be 0, 1 (or what a late one weighs), or NaN where it is not known yet"


def known_outcomes(feedback: Feedback) -> Feedback:
    """The visits whose outcome is known, with clicks as bool; the same tensors where they are so already.

    A visit is pending while a click, or the conversion of a click, is NaN: its answer may come later. Conversions may
    weigh more than 1 (`traffic/delay.py`).

    Raises:
        InputError: an outcome that cannot be.
    """
    clicked, converted = feedback.clicked, feedback.converted
    if clicked.dtype == torch.bool and converted.dtype == torch.bool:
        return feedback
    pending = (clicked.isnan() | (converted.isnan() & (clicked != 0))).any(1)
    clicked, converted = clicked.nan_to_num(), converted.nan_to_num(posinf=-1.0)
    if not bool(((clicked == 0) | (clicked == 1)).all()):
        raise InputError(CLICKED)
    if not bool((converted >= 0).all()):
        raise InputError(CONVERTED)
    known = dataclasses.replace(feedback, clicked=clicked != 0, converted=converted)
    return known[~pending] if bool(pending.any()) else known


def known_conversion(clicked: float, converted: float) -> float | None:
    """`known_outcomes` for a single slot: what the conversion weighs, None while the outcome is pending."""
    if clicked == 0 or clicked == 1:
        if 0 <= converted < math.inf:
            return converted
        if not math.isnan(converted):
            raise InputError(CONVERTED)
        return None if clicked else 0.0
    if not math.isnan(clicked):
        raise InputError(CLICKED)
    return None


def check_feedback(feedback: Feedback, arms: int, guard: Guard) -> Tensor:
    """One bool on the device: arms are known, and had a chance."""
    low, high = feedback.slates.aminmax()
    known = (low >= 0) & (high < arms)
    ok = guard.require(known, f"feedback.slates: an unknown arm; known are 0 to {arms - 1}")
    if feedback.propensities is not None:
        low, high = feedback.propensities.aminmax()
        # NaN fails both comparisons.
        fair = (low > 0) & (high <= 1 + 1e-5)
        ok = ok & guard.require(fair, "feedback.propensities: each must lie in (0, 1]; what was shown had a chance")
    return ok
