"""Agents by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..simulation.tables import InputError
from .agent import Worth
from .bandit import Bandit, Serving
from .counts import Counts, UpperCounts
from .linear import DisjointLinear
from .posterior import Model
from .rules import InverseGap, Rule, Softmax, Thompson, Uniform, UpperBound
from .slate import Layout


@dataclass(frozen=True)
class Kind:
    """How an agent of one name is made: a model and a rule, and what it reads."""

    model: Callable[[int, int, torch.device, Worth], Model]
    """From arms, width of contexts, device and worth."""
    rule: Rule
    reads_context: bool = True
    floor: Callable[[int], float] | None = None
    """Propensity floor from the number of arms, for kinds that explore by it."""


def _counts(arms: int, width: int, device: torch.device, worth: Worth) -> Model:
    return Counts(arms, device, 1 + worth.conversion_value)


def _upper_counts(arms: int, width: int, device: torch.device, worth: Worth) -> Model:
    return UpperCounts(arms, device, 1 + worth.conversion_value)


def _disjoint(arms: int, width: int, device: torch.device, worth: Worth) -> Model:
    return DisjointLinear(arms, width, device)


KINDS: dict[str, Kind] = {
    "random": Kind(_counts, Uniform(), reads_context=False),
    "epsilon-greedy": Kind(_counts, UpperBound(0.0), reads_context=False, floor=lambda arms: 0.1 / arms),
    "ucb1": Kind(_upper_counts, UpperBound(1.0), reads_context=False),
    "beta-thompson": Kind(_counts, Thompson(1.0), reads_context=False),
    "linucb": Kind(_disjoint, UpperBound(0.3)),
    "lints": Kind(_disjoint, Thompson(0.3)),
    "squarecb": Kind(_disjoint, InverseGap(200.0)),
    "softmax": Kind(_disjoint, Softmax(0.03)),
}
"""Every agent that can be chosen by name."""

AGENTS = tuple(KINDS)


def make_agent(
    name: str,
    *,
    arms: int,
    slots: int,
    width: int,
    worth: Worth,
    generator: torch.Generator,
    serving: Serving | None = None,
    layout: Layout | None = None,
    **settings: Any,
) -> Bandit:
    """An agent with its default settings.

    Args:
        name: one of `AGENTS`.
        arms: creatives.
        slots: L.
        width: length of contexts, d.
        worth: what feedback is worth.
        generator: on the device that the agent shall live on.
        serving: forgetting and propensity floor.
        layout: caps on a slate.
        settings: of the rule (`scale`, `gamma`, `temperature`), instead of the defaults.

    Raises:
        InputError: no such agent or setting.
    """
    if name not in KINDS:
        raise InputError(f"no agent '{name}'; known are {', '.join(KINDS)}")
    kind = KINDS[name]
    try:
        rule = type(kind.rule)(**(vars(kind.rule) | settings))
    except TypeError:
        known = ", ".join(vars(kind.rule)) or "none"
        raise InputError(f"{name}: no setting {', '.join(settings)}; known are {known}") from None
    if serving is None:
        serving = Serving(floor=kind.floor(arms) if kind.floor else 0.0)
    model = kind.model(arms, width, generator.device, worth)
    return Bandit(model, rule, slots, generator, worth, width if kind.reads_context else None, serving, layout)
