"""The cost part of `copybandit benchmark`: time and memory of an agent against each of its sizes."""

import time
from typing import Any

import numpy as np
import torch

from ....agents.agent import Worth
from ....agents.bandit import Bandit
from ....agents.registry import make_agent
from ....simulation.visitors.traffic import Impressions
from ....simulation.world import Feedback
from ...harness.options import torch_device
from ...harness.run import Run
from ..comparison.plots import growth_exponent
from .options import BenchmarkOptions

AGENT = "linucb"
BASE = {"arms": 50, "features": 32, "batch": 1024, "slots": 1}
SIZES = {
    "arms": [25, 50, 100, 200, 400],
    "features": [8, 16, 32, 64, 128],
    "batch": [256, 512, 1024, 2048, 4096, 8192],
    "slots": [1, 2, 4, 8],
}
CALLS = 12


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`cost.{size}`: seconds to decide and learn a batch, bytes held, and the fitted powers."""
    cost: dict[str, Any] = {}
    sizes = {name: values[:3] for name, values in SIZES.items()} if options.run.quick else SIZES
    with run.stage("cost against size", total=sum(map(len, sizes.values()))) as stage:
        for name, values in sizes.items():
            rows = []
            for value in values:
                rows.append(_cost(**(BASE | {name: value}), device=torch_device(options.device)))
                stage.advance(1, f"{name} {value}")
            seconds, held = (np.array(column) for column in zip(*rows, strict=True))
            cost[name] = {
                "values": values,
                "seconds": seconds.tolist(),
                "bytes": held.tolist(),
                "exponent_time": growth_exponent(np.array(values), seconds),
                "exponent_memory": growth_exponent(np.array(values), held),
            }
    for name, row in cost.items():
        line = f"{name:<10} time to the {row['exponent_time']:.2f}, memory to the {row['exponent_memory']:.2f}"
        run.say(line)
    return {"cost": cost}


def _cost(arms: int, features: int, batch: int, slots: int, device: torch.device) -> tuple[float, int]:
    """Seconds to decide and learn once, the best of `CALLS`, and bytes of what was learned."""
    generator = torch.Generator(device).manual_seed(0)
    worth = Worth(torch.ones(1, slots, device=device))
    agent = make_agent(AGENT, arms=arms, slots=slots, width=features, worth=worth, generator=generator)
    assert isinstance(agent, Bandit)
    candidates = torch.arange(arms, device=device)
    best = float("inf")
    for _ in range(CALLS):
        context = torch.randn(batch, features, generator=generator, device=device)
        clicked = torch.rand(batch, slots, generator=generator, device=device) < 0.1
        nobody = torch.zeros(batch, dtype=torch.int64, device=device)
        best = min(best, _one_call(agent, Impressions(nobody, nobody, nobody, nobody, context), clicked, candidates))
    return best, sum(value.numel() * value.element_size() for value in agent.model.tensors().values())


def _one_call(agent: Bandit, visits: Impressions, clicked: torch.Tensor, candidates: torch.Tensor) -> float:
    never, endless = torch.zeros_like(clicked), torch.full(clicked.shape, torch.inf, device=clicked.device)
    start = time.perf_counter()
    decision = agent.act(visits, candidates)
    agent.update(decision.answer(Feedback(visits, decision.slates, clicked, never, endless)))
    if clicked.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
