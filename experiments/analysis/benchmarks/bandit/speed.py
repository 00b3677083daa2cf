"""How fast do our bandits decide and learn, against whom? Everything is drawn before the clock starts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .....agents.agent import Worth
from .....agents.registry import make_agent
from .....simulation.visitors.traffic import Impressions
from .....simulation.world import Feedback
from .peers import Peer, installed

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Problem:
    """Visitors, and what each arm would earn with each of them."""

    contexts: Floats
    """[N, d]."""
    chances: Floats
    """[N, K] probability of a reward."""
    rewards: NDArray[np.bool_]
    """[N, K] drawn from them."""

    @staticmethod
    def draw(rounds: int, arms: int, width: int, seed: int = 0) -> "Problem":
        """Normal contexts; the log-odds of a reward are linear in them, with standard deviation 3."""
        rng = np.random.default_rng(seed)
        contexts = rng.standard_normal((rounds, width), dtype=np.float32)
        weights = rng.standard_normal((width, arms), dtype=np.float32) * np.float32(3 / width**0.5)
        chances = (1 / (1 + np.exp(-contexts @ weights))).astype(np.float32)
        return Problem(contexts, chances, rng.random(chances.shape, dtype=np.float32) < chances)

    def capture(self, arms: NDArray[np.int64]) -> float:
        """(policy - random) / (oracle - random), in expectation, for the [n] arms chosen in the first rounds."""
        chances = self.chances[: len(arms)]
        policy = chances[np.arange(len(arms)), arms].mean()
        uniform = chances.mean()
        return float((policy - uniform) / (chances.max(1).mean() - uniform))


@dataclass(frozen=True)
class Timing:
    """One run."""

    per_second: float
    arms: NDArray[np.int64]
    untrained: float
    """Decisions a second in the first tenth of the batches."""
    trained: float
    """And in the last half."""

    @staticmethod
    def of(clock: list[float], rounds: int, arms: NDArray[np.int64]) -> "Timing":
        """From the times before the first batch and after each."""
        times = np.diff(clock)
        first, last = max(1, len(times) // 10), max(1, len(times) // 2)
        each = rounds / len(times)
        return Timing(rounds / times.sum(), arms, each / times[:first].mean(), each / times[-last:].mean())


def time_ours(name: str, problem: Problem, batch: int, rounds: int) -> Timing:
    """Our agent through its public `act` and `update`, every check and exact propensity included."""
    width, arms = problem.contexts.shape[1], problem.chances.shape[1]
    worth = Worth(torch.ones(1, 1))
    generator = torch.Generator().manual_seed(1)
    agent = make_agent(name, arms=arms, slots=1, width=width, worth=worth, generator=generator)
    candidates = torch.arange(arms)
    nobody = torch.zeros(batch, dtype=torch.int64)
    never = torch.zeros(batch, 1, dtype=torch.bool)
    endless = torch.full((batch, 1), torch.inf)
    contexts = torch.from_numpy(problem.contexts[:rounds]).split(batch)
    rewards = torch.from_numpy(problem.rewards[:rounds]).split(batch)
    visits = [Impressions(nobody, nobody, nobody, nobody, context) for context in contexts]
    outcome = (never, torch.ones_like(never))
    chosen: list[Tensor] = []
    clock = [time.perf_counter()]
    for visit, reward, row in zip(visits, rewards, problem.rewards[::batch], strict=False):
        decision = agent.act(visit, candidates)
        chosen.append(decision.slates)
        # A single outcome is looked up in numpy, as it is for the peers; torch takes longer to gather one value.
        clicked = outcome[row.item(decision.slates.item())] if batch == 1 else reward.gather(1, decision.slates)
        agent.update(decision.answer(Feedback(visit, decision.slates, clicked, never, endless)))
        clock.append(time.perf_counter())
    return Timing.of(clock, rounds, torch.cat(chosen)[:, 0].numpy())


def time_peer(peer: type[Peer], problem: Problem, batch: int, rounds: int) -> Timing:
    """A peer on the same problem."""
    contexts = problem.contexts[:rounds].reshape(rounds // batch, batch, -1)
    rewards = problem.rewards[:rounds].astype(np.float32).reshape(rounds // batch, batch, -1)
    policy = peer(problem.chances.shape[1], contexts.shape[2])
    given, rows = policy.prepare(contexts), np.arange(batch)
    chosen = []
    clock = [time.perf_counter()]
    for what, reward in zip(given, rewards, strict=True):
        arms = policy.decide(what)
        chosen.append(arms)
        policy.learn(what, arms, reward[rows, arms])
        clock.append(time.perf_counter())
    return Timing.of(clock, rounds, np.concatenate(chosen))


def compare_speed(
    name: str,
    peers: dict[str, type[Peer]],
    problem: Problem,
    batch: int,
    rounds: int,
    repeats: int,
    progress: Callable[[int, str], None],
) -> dict[str, dict[str, Any]]:
    """Ratios of decisions a second, ours over each peer installed: interleaved, best of `repeats`."""
    present = {title: peer for title, peer in peers.items() if installed(peer.package)}
    runs: dict[str, list[Timing]] = {title: [] for title in ("ours", *present)}
    for _ in range(repeats):
        runs["ours"].append(time_ours(name, problem, batch, rounds))
        progress(1, f"{name}, batch {batch}: ours")
        for title, peer in present.items():
            runs[title].append(time_peer(peer, problem, batch, rounds))
            progress(1, f"{name}, batch {batch}: {title}")
    best = {title: max(timing.per_second for timing in timings) for title, timings in runs.items()}
    parts = {
        part: {title: max(getattr(timing, part) for timing in timings) for title, timings in runs.items()}
        for part in ("untrained", "trained")
    }
    capture = {title: problem.capture(timings[0].arms) for title, timings in runs.items()}
    return {
        title: {
            "ratio": best["ours"] / best[title],
            "ours": best["ours"],
            "theirs": best[title],
            **{f"ratio_{part}": found["ours"] / found[title] for part, found in parts.items()},
            "capture_ours": capture["ours"],
            "capture_theirs": capture[title],
            "version": installed(peer.package),
            "threads": torch.get_num_threads(),
            "repeats": repeats,
        }
        for title, peer in present.items()
    }


def time_estimates(problem: Problem, batch: int) -> float:
    """Decisions a second of estimated propensities (quadrature) for Thompson sampling, which has no exact ones."""
    width, arms = problem.contexts.shape[1], problem.chances.shape[1]
    agent = make_agent(
        "lints",
        arms=arms,
        slots=1,
        width=width,
        worth=Worth(torch.ones(1, 1)),
        generator=torch.Generator().manual_seed(1),
    )
    nobody, candidates = torch.zeros(batch, dtype=torch.int64), torch.arange(arms)
    visit = Impressions(nobody, nobody, nobody, nobody, torch.from_numpy(problem.contexts[:batch]))
    decision = agent.act(visit, candidates)
    start = time.perf_counter()
    agent.estimate_propensities(visit, candidates, decision.slates)
    return batch / (time.perf_counter() - start)


def machine_limits() -> dict[str, float]:
    """FLOP/s of a large float32 product and bytes/s of a copy, as torch is given them here: the best of many."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    source, target = torch.zeros(1 << 24), torch.zeros(1 << 24)
    work: dict[str, tuple[Callable[[], Tensor], float]] = {
        "flops": (lambda: torch.mm(a, b), 2.0 * 1024**3),
        "bytes": (lambda: target.copy_(source), 8.0 * len(source)),
    }
    found = {}
    for name, (run, amount) in work.items():
        shortest = np.inf
        for _ in range(30):
            start = time.perf_counter()
            run()
            shortest = min(shortest, time.perf_counter() - start)
        found[name] = amount / shortest
    return found
