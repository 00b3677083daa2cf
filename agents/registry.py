"""Agents by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..simulation.data.errors import InputError
from .agent import CONVERSION_VALUE, Expectation, PlacementAgent, Worth
from .bandit import Bandit
from .checked import CheckedAgent, Serving
from .exposure import with_minimum
from .horizon import ArchivePrior
from .labels import Labels
from .models.counts import ArmCounts, UpperCounts
from .models.hierarchical import ANY, HierarchicalCounts
from .models.linear import DisjointLinear
from .models.logistic import LogisticLinear
from .models.neural import MEMORY, NeuralLinear
from .models.posterior import Model
from .models.shared import HybridLinear, SharedLinear
from .rules import InverseGap, Rule, Softmax, Thompson, Uniform, UpperBound
from .traffic.options import NO_OPTIONS, TrafficOptions, in_traffic, layout_for
from .traffic.retrieval import Retrieval
from .traffic.slate import Layout

if TYPE_CHECKING:
    from ..simulation.world import World


@dataclass(frozen=True)
class Setup:
    """What models are made from."""

    arms: int
    width: int
    generator: torch.Generator
    worth: Worth
    features: Tensor | None
    window: int | None
    prior: ArchivePrior
    rows: int

    @property
    def device(self) -> torch.device:
        """Where the agent lives."""
        return self.generator.device


@dataclass(frozen=True)
class Kind:
    """How an agent of one name is made: a model and a rule, and what it reads."""

    model: Callable[[Setup], Model]
    rule: Rule
    reads_context: bool = True
    epsilon: float = 0.0
    """Share of uniform choices, for kinds that explore by a propensity floor."""


def _counts(setup: Setup) -> Model:
    return ArmCounts(setup.arms, setup.device, setup.worth.largest)


def _upper_counts(setup: Setup) -> Model:
    return UpperCounts(setup.arms, setup.device, setup.worth.largest)


def _hierarchical(setup: Setup) -> Model:
    return HierarchicalCounts(setup.arms, setup.device, setup.worth.largest, setup.prior, setup.rows)


def _disjoint(setup: Setup) -> Model:
    return DisjointLinear(setup.arms, setup.width, setup.device)


def _shared(setup: Setup) -> Model:
    return SharedLinear(setup.arms, setup.width, setup.device, 8 if setup.features is None else setup.features)


def _hybrid(setup: Setup) -> Model:
    return HybridLinear(setup.arms, setup.width, setup.device, 8 if setup.features is None else setup.features)


def _logistic(setup: Setup) -> Model:
    return LogisticLinear(setup.arms, setup.width, setup.device, setup.worth.largest)


def _neural(setup: Setup) -> Model:
    return NeuralLinear(setup.arms, setup.width, setup.generator, memory=setup.window or MEMORY)


KINDS: dict[str, Kind] = {
    "random": Kind(_counts, Uniform(), reads_context=False),
    "epsilon-greedy": Kind(_counts, UpperBound(0.0), reads_context=False, epsilon=0.1),
    "ucb1": Kind(_upper_counts, UpperBound(1.0), reads_context=False),
    "beta-thompson": Kind(_counts, Thompson(1.0), reads_context=False),
    "horizon-ts": Kind(_hierarchical, Thompson(0.35), reads_context=False),
    "linucb": Kind(_disjoint, UpperBound(0.3)),
    "lints": Kind(_disjoint, Thompson(0.3)),
    "shared-linucb": Kind(_shared, UpperBound(0.3)),
    "shared-lints": Kind(_shared, Thompson(0.3)),
    "hybrid-linucb": Kind(_hybrid, UpperBound(0.3)),
    "hybrid-lints": Kind(_hybrid, Thompson(0.3)),
    "logistic-ts": Kind(_logistic, Thompson(1.0)),
    "neural-linear": Kind(_neural, Thompson(0.1)),
    "squarecb": Kind(_disjoint, InverseGap(10_000.0)),
    "softmax": Kind(_disjoint, Softmax(0.03)),
}
"""Every bandit that can be chosen by name: a model and a rule."""

DEEP = ("sb3-ppo", "sb3-a2c", "sb3-dqn")
"""Agents of stable-baselines3, which takes seconds to import: `deep` is imported when one is made."""

AGENTS = (*KINDS, *DEEP)
"""Every agent that can be chosen by name."""


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
    features: Tensor | None = None,
    prior: ArchivePrior = ANY,
    visits: int = 0,
    **settings: Any,
) -> CheckedAgent:
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
        features: [arms, f] of the creatives, a constant among them, for shared and hybrid agents; what texts say.
        prior: of creatives' rates, for `horizon-ts`: what earlier tests teach.
        visits: that there will be, for `horizon-ts`; 0 where nobody knows.
        settings: instead of the defaults: of a bandit's rule (`scale`, `gamma`, `temperature`), of a deep agent's
            learner (`learning_rate`, ...).

    Raises:
        InputError: no such agent or setting.
    """
    if name in DEEP:
        from .deep.agent import DeepAgent

        return DeepAgent(name, arms, slots, generator, worth, width, serving, layout, **settings)
    if name not in KINDS:
        raise InputError(f"no agent '{name}'; known are {', '.join(AGENTS)}")
    kind = KINDS[name]
    try:
        rule = type(kind.rule)(**(vars(kind.rule) | settings))
    except TypeError:
        known = ", ".join(vars(kind.rule)) or "none"
        raise InputError(f"{name}: no setting {', '.join(settings)}; known are {known}") from None
    if serving is None:
        serving = Serving(floor=kind.epsilon / arms)
    model = kind.model(Setup(arms, width, generator, worth, features, serving.window, prior, visits * slots))
    agent = Bandit(model, rule, slots, generator, worth, width if kind.reads_context else None, serving, layout)
    agent.name = name
    return agent


UNIFORM = "random"
"""Who places uniformly, to measure against: nothing is favoured by it."""
RETRIEVED = 12
"""Where visitors bring queries: creatives, those that answer best, that an agent chooses among."""


def agent_for(
    world: "World",
    name: str,
    *,
    seed: int = 0,
    conversion_value: float = CONVERSION_VALUE,
    retrieved: int = RETRIEVED,
    serving: Serving | None = None,
    traffic: TrafficOptions = NO_OPTIONS,
    visits: int = 0,
    expectation: Expectation | None = None,
    prior: ArchivePrior = ANY,
    **settings: Any,
) -> PlacementAgent:
    """An agent that has seen nothing yet, for all creatives of a world; behind retrieval where its visitors bring
    queries, and behind what the traffic asks for.

    Args:
        world: how its slates are examined and read, what its creatives and features are called.
        name: one of `AGENTS`.
        seed: of the agent's random numbers.
        conversion_value: worth of a conversion in clicks.
        retrieved: creatives, those that answer a query best, that are chosen among.
        serving: forgetting and propensity floor.
        traffic: delays, money, caps, minimum exposure.
        visits: that there will be; for them a budget shall last, and `horizon-ts` explores.
        expectation: what each creative is expected to earn, where that is known.
        prior: of creatives' rates, for `horizon-ts`: what earlier tests teach.
        settings: of the rule or the learner.

    Raises:
        InputError: no such agent or setting; nothing is published; no facts in the world for what the traffic asks for.
    """
    if not len(world.creatives):
        raise InputError("an agent chooses among the world's creatives, and there are none; publish them first")
    worth = Worth.of(world, conversion_value)
    if traffic.click_model == "independent":
        worth = replace(worth, going_on=1.0)
    inner = make_agent(
        name,
        arms=len(world.creatives),
        slots=world.slots,
        width=len(world.traffic.context_names),
        worth=worth,
        generator=torch.Generator(world.device).manual_seed(seed + 23),
        serving=serving,
        layout=layout_for(world, traffic),
        prior=prior,
        visits=visits,
        **settings,
    )
    if expectation is not None:
        inner.expect(expectation)
    inner.labels = Labels.of(world)
    agent = inner if name == UNIFORM else with_minimum(inner, world, traffic)
    if world.catalog.queries:
        agent = Retrieval(agent, world.traffic.queries, world.creatives, retrieved)
    return in_traffic(agent, world, traffic, visits)
