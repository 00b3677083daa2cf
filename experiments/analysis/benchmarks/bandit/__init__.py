"""The bandit part of `copybandit benchmark`: which comparisons are made, and how they are printed."""

from typing import Any

import torch

from ....harness.run import Run
from ..options import BenchmarkOptions
from .peers import BATCHED, SINGLE, Peer, installed
from .speed import Problem, compare_speed, machine_limits, time_estimates

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
    limits = machine_limits()
    summary = {
        "ratios": ratios,
        "machine": limits | {"every_width_per_second": limits["flops"] / (2 * ARMS * WIDTH**2)},
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
    run.say(
        f"{'':<24} {'peer':<28} {'ours /s':>10} {'theirs /s':>10} {'ratio':>7} {'untrained':>9} {'trained':>7}   "
        "capture ours / theirs"
    )
    for what, peers in summary["ratios"].items():
        for title, row in peers.items():
            run.say(
                f"{what:<24} {title + ' ' + row['version']:<28} {row['ours']:>10,.0f} {row['theirs']:>10,.0f} "
                f"{row['ratio']:>7.2f} {row['ratio_untrained']:>9.2f} {row['ratio_trained']:>7.2f}   "
                f"{row['capture_ours']:.3f} / {row['capture_theirs']:.3f}"
            )
    machine = summary["machine"]
    run.say(
        f"this machine: {machine['flops'] / 1e9:.0f} GFLOP/s (a product), {machine['bytes'] / 1e9:.0f} GB/s (copy); "
        f"a decision that computes every width by one product cannot be made oftener than "
        f"{machine['every_width_per_second']:,.0f} times a second"
    )
    for what, peers in summary["ratios"].items():
        if "bare torch" in peers:
            ours, theirs = (peers["bare torch"][who] / machine["every_width_per_second"] for who in ("ours", "theirs"))
            run.say(f"{what}: {ours:.0%} of that limit, bare torch {theirs:.0%}")
    run.say(f"estimated propensities (quadrature): {summary['estimated_propensities_per_second']:,.0f} /s")
    if summary["missing"]:
        run.say(f"not installed: {', '.join(summary['missing'])}; pip install 'copybandit[bench]' brings them")
