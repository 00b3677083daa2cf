"""The gpu part of `copybandit benchmark`: does a device compute what the CPU does, and how fast?

Every figure is told and stands in metrics.csv as soon as it is known. What fails is told, and the next begins; when the
time is up, what was measured stands.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from .....agents.registry import AGENTS
from .....policies.tuning.ppo import Ppo, PpoConfig
from .....policies.tuning.stock_ppo import StockPpo
from .....policies.writer.writer import WriterConfig
from .....simulation.world import demo_world
from ....harness.options import torch_device
from ....harness.run import Run
from ..options import BenchmarkOptions
from ..writer import prepared, raced, texts_a_second
from . import checks, speed
from .speed import Shape

Figures = dict[str, float]
Measure = Callable[[], Figures]
TOLERANCE = 2e-3
"""How far a figure of the device may lie from the CPU's, as a share of the largest."""
LINEAR = ("linucb", "lints")


@dataclass(frozen=True)
class Sizes:
    """What is measured: much on a GPU; on a CPU little, which shows that the code runs."""

    shapes: tuple[Shape, ...]
    against_cpu: Shape
    copied: int
    """Numbers."""
    multiplied: int
    """Rows of a square matrix."""
    streams: tuple[int, ...]
    writers: dict[str, WriterConfig]
    texts: int
    """In a batch of PPO."""
    enough: float
    """Seconds that a figure is measured for."""


BATCHES = tuple((batch, 50, 32) for batch in (1_000, 10_000, 100_000, 1_000_000))
ARMS = tuple((10_000, arms, 32) for arms in (10, 100, 1_000, 10_000))
WIDTHS = tuple((100_000, 50, width) for width in (16, 64, 128))
GPU = Sizes(
    BATCHES + ARMS + WIDTHS,
    against_cpu=(100_000, 50, 32),
    copied=1 << 28,
    multiplied=8192,
    streams=(65_536, 1_048_576),
    writers={"built-in shape": WriterConfig(), "GPT-2 small's shape": WriterConfig(12, 768, 12)},
    texts=192,
    enough=0.5,
)
SMALL = Sizes(
    ((256, 10, 8), (64, 20, 8)),
    against_cpu=(256, 10, 8),
    copied=1 << 16,
    multiplied=64,
    streams=(256,),
    writers={"tiny": WriterConfig(width=32, vocabulary=400)},
    texts=32,
    enough=0.01,
)


@dataclass
class Told:
    """What became of the steps."""

    figures: dict[str, Figures] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`checks` (largest differences), `speed`, and what failed or was left out.

    Raises:
        InputError: `--device cuda` without one.
    """
    device = torch_device(options.device)
    sizes = GPU if device.type == "cuda" and not options.run.quick else SMALL
    end = time.perf_counter() + 60 * options.minutes
    if device.type == "cpu":
        run.say("no CUDA device: all of it small, on the CPU, which shows that the code runs and nothing else")
    checked, timed = Told(), Told()
    with run.stage("the same as on the CPU") as stage:
        for name, check in _checks(options, run, device, end):
            _step(run, checked, name, check, end, stage.advance)
    for name, figures in checked.figures.items():
        wrong = {what: value for what, value in figures.items() if not _close(what, value)}
        if wrong:
            checked.failed[name] = f"the device says something else: {wrong}"
            run.say(f"FAILED {name}: {checked.failed[name]}")
    with run.stage("speed") as stage:
        for name, timing in _timings(options, device, sizes, timed.figures):
            _step(run, timed, name, timing, end, stage.advance)
    failed, left = checked.failed | timed.failed, checked.left_out + timed.left_out
    run.say(f"{len(checked.figures) + len(timed.figures)} measured, {len(failed)} failed, {len(left)} left out")
    return {
        "on": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "checks": checked.figures,
        "speed": timed.figures,
        "failed": failed,
        "left_out": left,
    }


def _step(run: Run, told: Told, name: str, measured: Measure, end: float, progress: Callable[[int, str], None]) -> None:
    if time.perf_counter() > end:
        told.left_out.append(name)
        return
    try:
        figures = measured()
    except Exception as error:  # whatever a device may say: the figures that follow are wanted all the same
        told.failed[name] = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
        run.say(f"FAILED {name}: {told.failed[name]}")
        return
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    told.figures[name] = figures
    run.record(0, {f"{name}: {what}": value for what, value in figures.items()})
    run.say(f"{name:<44} " + "  ".join(f"{what} {_written(value)}" for what, value in figures.items()))
    progress(1, name)


def _written(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _close(what: str, value: float) -> bool:
    if what in ("seconds", "lift"):
        return True
    return value <= (checks.FAR if "standard errors" in what else TOLERANCE)


def _checks(options: BenchmarkOptions, run: Run, device: torch.device, end: float) -> Iterator[tuple[str, Measure]]:
    twins, seed = checks.Twins(device, options.run.seed), options.run.seed
    for name in AGENTS:
        yield name, lambda name=name: checks.agent_agrees(twins, name)
    yield "world", lambda: checks.world_agrees(checks.Twins(device, seed))
    yield "effect model", lambda: checks.effect_model_agrees(twins)
    yield "loop --quick", lambda: checks.loop_runs(device, run.path / "loop", max(1.0, end - time.perf_counter()))


def _timings(
    options: BenchmarkOptions, device: torch.device, sizes: Sizes, known: Mapping[str, Figures]
) -> Iterator[tuple[str, Measure]]:
    """What answers most is measured first; `known` is what was measured so far."""
    here, enough = torch.device("cpu"), sizes.enough
    yield "limits", lambda: _limits(device, sizes)
    for name in LINEAR:
        yield (
            f"{name}, {_told(sizes.against_cpu)}, on the CPU",
            lambda name=name: {"decisions/s": speed.decisions(name, sizes.against_cpu, here, 2 * enough)},
        )
    for streams in sizes.streams:
        yield f"world, {streams:,} streams", lambda n=streams: {"steps/s": speed.steps(n, device, enough)}
    for shape in sorted(sizes.shapes, key=lambda shape: shape != sizes.against_cpu):
        yield f"scores, {_told(shape)}", lambda shape=shape: _scores(shape, device, enough, known["limits"])
        for name in LINEAR:
            yield (
                f"{name}, {_told(shape)}",
                lambda name=name, shape=shape: _decided(name, shape, device, enough, known),
            )
    for title, writer in sizes.writers.items():
        yield f"PPO, {title}", lambda writer=writer: _tuning(writer, options, device, sizes.texts)


def _told(shape: Shape) -> str:
    batch, arms, width = shape
    return f"batch {batch:,}, K={arms:,}, d={width}"


def _limits(device: torch.device, sizes: Sizes) -> Figures:
    return {
        "bytes/s": speed.bandwidth(device, sizes.copied, sizes.enough),
        "FLOP/s": speed.flops(device, sizes.multiplied, sizes.enough),
    }


def _scores(shape: Shape, device: torch.device, enough: float, limits: Figures) -> Figures:
    flops, moved = speed.scoring(shape, device, enough)
    shares = {f"share of {unit}": value / limits[unit] for unit, value in (("FLOP/s", flops), ("bytes/s", moved))}
    return {"FLOP/s": flops, "bytes/s": moved, **shares}


def _decided(name: str, shape: Shape, device: torch.device, enough: float, known: Mapping[str, Figures]) -> Figures:
    """Ours against bare torch on the same device, and against ourselves on the CPU where that was measured."""
    ours = speed.decisions(name, shape, device, enough)
    bare = speed.bare_decisions(name, shape, device, enough)
    found = {"decisions/s": ours, "bare torch/s": bare, "ratio": ours / bare}
    on_cpu = known.get(f"{name}, {_told(shape)}, on the CPU")
    return found if on_cpu is None else found | {"times the CPU": ours / on_cpu["decisions/s"]}


def _tuning(shape: WriterConfig, options: BenchmarkOptions, device: torch.device, texts: int) -> Figures:
    """Texts a second of PPO, ours and TRL's, with a writer that has hardly read: speed alone is asked."""
    world = demo_world("shop", seed=options.run.seed, users=100)
    writer, reward = prepared(world, shape, 160, options.run.seed, device)
    config = PpoConfig(updates=3, batch=texts, group=4)
    tuners = (Ppo(config), StockPpo(config))
    curves = raced(world, writer, reward, tuners, options.run.seed, lambda n: None)
    ours, theirs = (texts_a_second(curve, texts) for curve in curves)
    return {"texts/s": ours, "TRL PPOTrainer/s": theirs, "ratio": ours / theirs}
