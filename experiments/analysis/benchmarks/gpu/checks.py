"""Does a device compute what the CPU does? Both are given the same visits, slates and answers."""

import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from .....agents.agent import PlacementAgent
from .....agents.registry import DEEP, agent_for
from .....policies.effect.model import VALIDATORS, EffectConfig, fit_effect_model
from .....simulation.logs import count_uniform, uniform_slates
from .....simulation.world import Feedback, World, demo_world
from ....harness.files import read_json

T = TypeVar("T")
VISITS, ROUNDS, CREATIVES = 512, 4, 24
DRAWN = ("neural-linear", *DEEP)
"""Agents whose learning is drawn, and so is another on each device: what was learned on the CPU is handed over."""
DRAWS = 600_000
"""Slots shown on each device."""
FAR = 4.5
"""Standard errors between two shares that are not put down to chance."""


def moved(part: T, device: torch.device) -> T:
    """A dataclass, the tensors in it on a device, whatever its depth."""
    if isinstance(part, Tensor):
        return part.to(device)  # pyright: ignore[reportReturnType]
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{f.name: moved(getattr(part, f.name), device) for f in fields(part)})
    return part


def apart(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference, as a share of the largest value."""
    ours, theirs = ours.double().cpu(), theirs.double().cpu()
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-12))


class Twins:
    """The shop on the CPU and on a device, with the same creatives."""

    def __init__(self, device: torch.device, seed: int) -> None:
        """Makes both from one seed."""
        self.device, self.seed = device, seed
        self.worlds = [demo_world("shop", seed=seed, users=500, device=str(place)) for place in ("cpu", device)]
        self.candidates = [world.publish(world.catalog.ads[:CREATIVES]) for world in self.worlds]

    @property
    def world(self) -> World:
        """The one on the CPU, where visits and answers come from."""
        return self.worlds[0]

    def answers(self, n: int) -> Feedback:
        """To uniform slates."""
        visits = self.world.visitors(n)
        generator = torch.Generator().manual_seed(self.seed)
        return self.world.respond(visits, uniform_slates(n, self.candidates[0], self.world.slots, generator))


def agent_agrees(twins: Twins, name: str) -> dict[str, float]:
    """How far beliefs and propensities of an agent lie apart, after the same lessons."""
    on_cpu, there = (agent_for(world, name, seed=twins.seed) for world in twins.worlds)
    for _ in range(ROUNDS):
        lesson = twins.answers(VISITS)
        on_cpu.update(lesson)
        there.update(moved(lesson, twins.device))
    if name in DRAWN:
        there.load_state_dict(on_cpu.state_dict())
    asked = twins.answers(VISITS)
    first, second = twins.candidates
    believed = on_cpu.expected_worth(asked.impressions, first)
    believed_there = there.expected_worth(moved(asked.impressions, twins.device), second)
    return {"beliefs": apart(believed_there, believed), "propensities": _propensities(twins, on_cpu, there, asked)}


def _propensities(twins: Twins, on_cpu: PlacementAgent, there: PlacementAgent, asked: Feedback) -> float:
    """Largest difference of the chances with which the same slates would be chosen; beyond what a draw may err."""
    if not hasattr(on_cpu, "estimate_propensities"):
        return 0.0
    few = asked[slice(64)]
    ours = there.estimate_propensities(  # pyright: ignore[reportAttributeAccessIssue]
        moved(few.impressions, twins.device), twins.candidates[1], few.slates.to(twins.device)
    )
    theirs = on_cpu.estimate_propensities(few.impressions, twins.candidates[0], few.slates)  # pyright: ignore[reportAttributeAccessIssue]
    error = (ours.error.cpu().square() + theirs.error.square()).sqrt()
    allowed = FAR * error if theirs.method == "monte carlo" else torch.zeros_like(error)
    gap = ((ours.propensities.cpu() - theirs.propensities).abs() - allowed).clamp(min=0)
    return float(gap.max())


def world_agrees(twins: Twins) -> dict[str, float]:
    """How far gold rates and the oracle lie apart, and how many standard errors the clicks drawn on each."""
    asked = twins.answers(4096)
    twins.world.reset(twins.seed)
    first, second = twins.worlds
    visits = moved(asked.impressions, twins.device)
    rates = first.expected(asked.impressions, asked.slates)
    there = second.expected(visits, asked.slates.to(twins.device))
    best = first.best(asked.impressions, twins.candidates[0])
    best_there = second.best(visits, twins.candidates[1])
    worth = first.expected(asked.impressions, best).ctr.sum(1)
    worth_there = second.expected(visits, best_there).ctr.sum(1)
    drawn = [_clicks(world, c, twins.seed) for world, c in zip(twins.worlds, twins.candidates, strict=True)]
    share = sum(drawn) / 2
    error = (2 * share * (1 - share) / DRAWS) ** 0.5
    return {
        "click": apart(there.click, rates.click),
        "conversion": apart(there.convert, rates.convert),
        "oracle": apart(worth_there, worth),
        "clicks drawn, standard errors": abs(drawn[0] - drawn[1]) / error,
    }


def _clicks(world: World, candidates: Tensor, seed: int) -> float:
    """Clicks a slot of uniform slates."""
    generator, clicks = torch.Generator(world.device).manual_seed(seed), 0.0
    for _ in range(DRAWS // world.slots // 20_000):
        slates = uniform_slates(20_000, candidates, world.slots, generator)
        clicks += float(world.respond(world.visitors(20_000), slates).clicked.float().sum())
    return clicks / DRAWS


def effect_model_agrees(twins: Twins) -> dict[str, float]:
    """How far the predictions of an effect model that was learned there lie from those of one learned here."""
    world = demo_world("shop", seed=twins.seed, users=500)
    counts = count_uniform(world, world.catalog.ads, 200_000, torch.Generator().manual_seed(twins.seed))
    config = EffectConfig(steps=60)
    models = [
        fit_effect_model(counts, world.catalog, config, members=VALIDATORS, seed=twins.seed, device=place)
        for place in ("cpu", twins.device)
    ]
    here, there = (model.predict(world.catalog.ads).rates for model in models)
    return {"clicks": apart(there[..., 0], here[..., 0]), "conversions": apart(there[..., 1], here[..., 1])}


def loop_runs(device: torch.device, out: Path, seconds: float) -> dict[str, float]:
    """A whole `loop --quick` on the device, in a process of its own.

    Raises:
        RuntimeError: it did not end well; its last line.
    """
    start = [sys.executable, "-c", "from copybandit.experiments.cli import main; main()"]
    given = ["loop", "--quick", "--device", device.type, "--out", str(out)]
    found = subprocess.run([*start, *given], capture_output=True, text=True, timeout=seconds, check=False)
    if found.returncode:
        raise RuntimeError((found.stderr.strip().splitlines() or ["no word"])[-1])
    summary = read_json(out / "summary.json")
    if torch.device(summary["device"]).type != device.type:
        raise RuntimeError(f"it ran on {summary['device']}")
    return {"seconds": sum(summary["wall_seconds"].values()), "lift": summary["lift"]["ctr"]["mean"]}
