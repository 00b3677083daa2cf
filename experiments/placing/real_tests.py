"""Agents on real A/B tests: does a simulated world rank them as tests do? Texts' measured rates decide about clicks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau
from torch import Tensor

from ...agents.agent import Worth
from ...agents.horizon import ArchivePrior
from ...agents.registry import make_agent
from ...simulation.archive.tests import Archive
from ...simulation.visitors.traffic import Impressions
from ...simulation.world import Feedback
from ..analysis.comparison.cells import parse_agent
from ..analysis.headlines.placements import learn_prior
from ..analysis.headlines.replay import BATCHES, ArchiveTests, replayed_tests
from ..analysis.statistics.bootstrap import Array, bootstrap, ratio

MOST_TESTS = 100
"""Tests that are replayed; the others teach the prior."""


def real_tests(archive: Archive, most: int, rng: np.random.Generator) -> tuple[ArchiveTests, ArchivePrior]:
    """Tests to replay, drawn from an archive, and the prior that the others teach; no text is read."""
    arms = archive.contrasts
    tests = replayed_tests(arms, np.zeros(len(arms)))
    chosen = np.zeros(len(tests.starts), dtype=bool)
    chosen[rng.permutation(len(chosen))[: min(most, len(chosen) // 2)]] = True
    return tests.part(chosen), learn_prior(tests.part(~chosen))


def on_tests(
    tests: ArchiveTests,
    agents: Sequence[str],
    prior: ArchivePrior,
    total: int,
    seed: int,
    progress: Callable[[int], None] = lambda n: None,
) -> dict[str, Array]:
    """By agent: [tests] clicks an impression at the true rates, learning included.

    Args:
        tests: each is a world of its own, of one slot and visitors who are all alike.
        agents: names with settings.
        prior: of the tests, for agents that take one.
        total: impressions a test, in `BATCHES` parts.
        seed: of agents and clicks; the n-th draw of a test decides the n-th click for all agents.
        progress: called after every agent.
    """
    bounds = zip(tests.starts, tests.starts + tests.sizes, strict=True)
    rates = [torch.from_numpy(tests.rate[start:end]).float() for start, end in bounds]
    found = {}
    for name in agents:
        found[name] = np.array([_earned(name, rate, prior, total, seed + i) for i, rate in enumerate(rates)])
        progress(1)
    return found


def _earned(agent: str, rate: Tensor, prior: ArchivePrior, total: int, seed: int) -> float:
    name, settings = parse_agent(agent)
    made = make_agent(
        name,
        arms=len(rate),
        slots=1,
        width=1,
        worth=Worth(torch.ones(1, 1)),
        generator=torch.Generator().manual_seed(seed),
        prior=prior,
        visits=total,
        **settings,
    )
    chance, earned = torch.Generator().manual_seed(seed), 0.0
    for size in np.diff(np.linspace(0, total, BATCHES + 1).round().astype(int)).tolist():
        zero = torch.zeros(size, dtype=torch.int64)
        come = Impressions(zero, zero, zero, zero.double(), torch.ones(size, 1))
        decision = made.act(come, made.on_show)
        true = rate[decision.slates]
        clicked = torch.rand(size, 1, generator=chance) < true
        never = torch.full((size, 1), torch.inf)
        made.update(decision.answer(Feedback(come, decision.slates, clicked, torch.zeros_like(clicked), never)))
        earned += float(true.sum())
    return earned / total


def ranked(
    tests: ArchiveTests, earned: Mapping[str, Array], world: Mapping[str, float], total: int, rng: np.random.Generator
) -> dict[str, Any]:
    """How agents do in the tests, and whether the world ranks them alike.

    Args:
        tests: that were replayed.
        earned: see `on_tests`.
        world: capture of the same agents there.
        total: impressions a test.
        rng: draws resamples of tests.

    Returns:
        `tests` and `impressions` of each; `capture` by agent, with its interval over tests, and `world`; Kendall's
        `tau` between the two, and `p`, the chance of one as far from 0 if they had nothing to do with each other.
    """
    best = tests.best - tests.uniform
    capture = {
        name: bootstrap(np.stack([value - tests.uniform, best], axis=1), ratio, rng) for name, value in earned.items()
    }
    tau = kendalltau([world[name] for name in earned], [value["mean"] for value in capture.values()])
    return {
        "tests": len(tests.starts),
        "impressions": total,
        "capture": capture,
        "world": dict(world),
        "tau": float(tau.statistic),
        "p": float(tau.pvalue),
    }
