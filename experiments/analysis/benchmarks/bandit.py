"""The bandit part of `copybandit benchmark`: which comparisons are made, and how they are printed."""

from typing import Any

import torch

from ...harness.run import Run
from .bandit_peers import BATCHED, SINGLE, Peer, installed
from .bandit_speed import Problem, compare_speed, time_estimates
from .options import BenchmarkOptions

BATCH, ROUNDS, ROUNDS_SINGLE = 1024, 102_400, 3_000
ARMS, WIDTH = 50, 32


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """Ratios by what was measured and peer, and what was left out and why."""
    batched, single = (ROUNDS // 10, ROUNDS_SINGLE // 10) if options.run.quick else (ROUNDS, ROUNDS_SINGLE)
    problem = Problem.draw(batched, ARMS, WIDTH, options.run.seed)
    ratios: dict[str, Any] = {}
    plan = [("batch 1024", BATCHED, BATCH, batched), ("one at a time", SINGLE, 1, single)]
    total = sum((1 + len(peers)) * options.repeats for _, table, _, _ in plan for peers in table.values())
    with run.stage("bandit speed", total=total) as stage:
        for what, table, batch, rounds in plan:
            for agent, peers in table.items():
                found = compare_speed(agent, peers, problem, batch, rounds, options.repeats, stage.advance)
                ratios[f"{agent}, {what}"] = found
        stage.advance(0, "")
    summary = {
        "ratios": ratios,
        "estimated_propensities_per_second": time_estimates(problem, BATCH // 8),
        "missing": _missing(BATCHED, SINGLE),
    }
    _show(summary, run)
    return summary


def _missing(*tables: dict[str, dict[str, type[Peer]]]) -> list[str]:
    packages = {peer.package for table in tables for peers in table.values() for peer in peers.values()}
    return sorted(package for package in packages if not installed(package))


def _show(summary: dict[str, Any], run: Run) -> None:
    run.say(f"d={WIDTH}, K={ARMS}, decide + update, {torch.get_num_threads()} threads, torch {torch.__version__}")
    run.say(f"{'':<24} {'peer':<28} {'ours /s':>10} {'theirs /s':>10} {'ratio':>7}   capture ours / theirs")
    for what, peers in summary["ratios"].items():
        for title, row in peers.items():
            run.say(
                f"{what:<24} {title + ' ' + row['version']:<28} {row['ours']:>10,.0f} {row['theirs']:>10,.0f} "
                f"{row['ratio']:>7.2f}   {row['capture_ours']:.3f} / {row['capture_theirs']:.3f}"
            )
    run.say(f"estimated propensities (quadrature): {summary['estimated_propensities_per_second']:,.0f} /s")
    if summary["missing"]:
        run.say(f"not installed: {', '.join(summary['missing'])}; pip install 'copybandit[bench]' brings them")
