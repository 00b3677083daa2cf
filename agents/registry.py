"""Agents by name."""

from collections.abc import Callable

import torch

from ..simulation.tables import InputError
from .agent import PlacementAgent, Worth
from .linear import LinTS, LinUCB
from .tabular import BetaThompson, EpsilonGreedy, RandomAgent


def make_agent(
    name: str, *, arms: int, slots: int, width: int, worth: Worth, generator: torch.Generator
) -> PlacementAgent:
    """An agent with its default settings.

    Args:
        name: one of `AGENTS`.
        arms: creatives.
        slots: L.
        width: length of contexts, d.
        worth: what feedback is worth.
        generator: on the device that the agent shall live on.

    Raises:
        InputError: no such agent.
    """
    if name not in AGENTS:
        raise InputError(f"no agent '{name}'; known are {', '.join(AGENTS)}")
    return AGENTS[name](arms, slots, width, worth, generator)


_Maker = Callable[[int, int, int, Worth, torch.Generator], PlacementAgent]

AGENTS: dict[str, _Maker] = {
    "random": lambda arms, slots, width, worth, generator: RandomAgent(arms, slots, generator),
    "epsilon-greedy": lambda arms, slots, width, worth, generator: EpsilonGreedy(arms, slots, generator, worth),
    "beta-thompson": lambda arms, slots, width, worth, generator: BetaThompson(arms, slots, generator, worth),
    "linucb": lambda arms, slots, width, worth, generator: LinUCB(arms, slots, generator, worth, width),
    "lints": lambda arms, slots, width, worth, generator: LinTS(arms, slots, generator, worth, width),
}
"""Every agent that can be chosen by name."""
