"""How fast is a device? Everything random lives on it, and nothing leaves it before the clock has stopped."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .....agents.agent import Worth
from .....agents.registry import make_agent
from .....envs.placement import AdPlacementVectorEnv
from .....simulation.visitors.traffic import Impressions
from .....simulation.world import Feedback
from ..bandit.peers import BareLoop

CONTEXTS = 4
"""Batches of visitors that are drawn before the clock starts, and come in turns."""
SPREAD = 3.0
"""Standard deviation of the log-odds of a reward."""
Shape = tuple[int, int, int]
"""Visitors at once, arms, features."""


def seconds_a_call(call: Callable[[], object], device: torch.device, enough: float) -> float:
    """Of a call after two that warm up, over `enough` seconds and three calls at least."""
    for _ in range(2):
        call()
    _wait(device)
    start, calls = time.perf_counter(), 0
    while calls < 3 or time.perf_counter() - start < enough:
        call()
        calls += 1
        if calls % 8 == 0:
            _wait(device)
    _wait(device)
    return (time.perf_counter() - start) / calls


def bandwidth(device: torch.device, numbers: int, enough: float) -> float:
    """Bytes a second that a copy reads and writes."""
    source = torch.ones(numbers, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * numbers / seconds_a_call(lambda: target.copy_(source), device, enough)


def flops(device: torch.device, width: int, enough: float) -> float:
    """Operations a second of a square matrix product, float32."""
    left = torch.randn(width, width, device=device)
    out = torch.empty_like(left)
    return 2 * width**3 / seconds_a_call(lambda: torch.mm(left, left, out=out), device, enough)


@dataclass(frozen=True)
class Visitors:
    """Visitors of a device, and what they earn."""

    contexts: list[Tensor]
    """`CONTEXTS` times [B, d]."""
    weights: Tensor
    """[K, d] of the log-odds of a reward."""
    luck: list[Tensor]
    """[B] each."""

    @staticmethod
    def draw(shape: Shape, device: torch.device) -> "Visitors":
        """Normal contexts and weights."""
        (batch, arms, width), generator = shape, torch.Generator(device).manual_seed(0)
        return Visitors(
            [torch.randn(batch, width, generator=generator, device=device) for _ in range(CONTEXTS)],
            torch.randn(arms, width, generator=generator, device=device) * (SPREAD / width**0.5),
            [torch.rand(batch, generator=generator, device=device) for _ in range(CONTEXTS)],
        )

    def rewarded(self, which: int, arms: Tensor) -> Tensor:
        """[B] bool for the [B] arms chosen."""
        odds = (self.contexts[which] * self.weights.index_select(0, arms)).sum(1)
        return self.luck[which] < torch.sigmoid(odds)


def decisions(name: str, shape: Shape, device: torch.device, enough: float) -> float:
    """Decisions a second of our agent, learned from, through its public `act` and `update`."""
    batch, arms, width = shape
    visitors = Visitors.draw(shape, device)
    agent = make_agent(
        name,
        arms=arms,
        slots=1,
        width=width,
        worth=Worth(torch.ones(1, 1, device=device)),
        generator=torch.Generator(device).manual_seed(1),
    )
    candidates = torch.arange(arms, device=device)
    nobody = torch.zeros(batch, dtype=torch.int64, device=device)
    never = torch.zeros(batch, 1, dtype=torch.bool, device=device)
    endless = torch.full((batch, 1), torch.inf, device=device)
    visits = [Impressions(nobody, nobody, nobody, nobody, context) for context in visitors.contexts]
    turn = iter(range(1 << 62))

    def once() -> None:
        which = next(turn) % CONTEXTS
        decision = agent.act(visits[which], candidates)
        clicked = visitors.rewarded(which, decision.slates[:, 0])[:, None]
        agent.update(decision.answer(Feedback(visits[which], decision.slates, clicked, never, endless)))

    return batch / seconds_a_call(once, device, enough)


def bare_decisions(name: str, shape: Shape, device: torch.device, enough: float) -> float:
    """The same of a bare torch loop."""
    batch, arms, width = shape
    visitors = Visitors.draw(shape, device)
    loop = BareLoop(arms, width, device, thompson=name == "lints")
    turn = iter(range(1 << 62))

    def once() -> None:
        which = next(turn) % CONTEXTS
        chosen = loop.decide(visitors.contexts[which])
        loop.learn(visitors.contexts[which], chosen, visitors.rewarded(which, chosen).float())

    return batch / seconds_a_call(once, device, enough)


def scoring(shape: Shape, device: torch.device, enough: float) -> tuple[float, float]:
    """Operations and bytes a second of LinUCB's scores alone: every width of every visitor and arm.

    The operations are those of the packed triangles; the bytes, of the products x_i x_j written and read once and of
    the widths written.
    """
    from .....agents.models.linear import DisjointLinear

    batch, arms, width = shape
    model = DisjointLinear(arms, width, device)
    visitors, candidates = Visitors.draw(shape, device), torch.arange(arms, device=device)
    places = len(model.triangle.flat)
    seconds = seconds_a_call(lambda: model.posterior(visitors.contexts[0], candidates).deviation, device, enough)
    return 2 * batch * arms * places / seconds, 4 * batch * (2 * places + arms) / seconds


def steps(streams: int, device: torch.device, enough: float) -> float:
    """Visitors a second of the environment, actions and observations on the device."""
    envs = AdPlacementVectorEnv(streams, max_episode_steps=None, device=str(device), output="torch")
    envs.reset(seed=0)
    generator = torch.Generator(device).manual_seed(0)
    shape = (8, streams, envs.world.slots)
    actions = torch.randint(len(envs.candidates), shape, generator=generator, device=device)
    turn = iter(range(1 << 62))
    return streams / seconds_a_call(lambda: envs.step(actions[next(turn) % 8]), device, enough)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
