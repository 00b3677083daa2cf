"""What else may befall a command: a full disk, one that is read-only, a clock, dead workers, too little memory."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import checks
from .commands import CASES, Case
from .kills import Row
from .processes import Command, Ended, run

BY_NAME = {case.name: case for case in CASES}
WRITING = [case.name for case in CASES if case.command != "serve" and not case.several]
ON_THE_CLOCK = ["tune", "tune by PPO", "loop", "compare", "sweep", "pretrain", "headlines", "offline", "score"]
SHARES = (0.02, 0.3, 0.7)
"""Of the room that a whole run takes: what there is."""
TOO_MUCH = {
    "tune": "--users 40000000",
    "loop": "--users 40000000",
    "compare": "--users 40000000",
    "case-study": "--users 40000000",
    "pretrain": "--size.width 8192 --size.heads 8",
    "reader": "--fit.batch 50000000",
}
"""By command: what asks for more than there is."""


def befall(name: str, inputs: Path, folder: Path, seed: int) -> Iterator[Row]:
    """Rows, one a command, as they come."""
    row = None
    for case, wrong in MISHAPS[name](inputs, folder, seed):
        if row is None or row.command != case.name:
            if row is not None:
                yield row
            row = Row(case.name, name, seed=seed)
        row.tried += 1
        try:
            problems = list(wrong(row))
        except (OSError, subprocess.CalledProcessError) as error:
            problems = [f"{type(error).__name__}: {error}"]
        row.problems += problems
        row.survived += not problems
    if row is not None:
        yield row


Wrong = Callable[[Row], Iterator[str]]


def _full_disks(inputs: Path, folder: Path, seed: int) -> Iterator[tuple[Case, Wrong]]:
    """The disk is full before a command is done; then there is room again."""
    if not _may_mount(folder):
        for name in WRITING:
            yield BY_NAME[name], lambda row, name=name: _no_room(row, BY_NAME[name], inputs, folder / name, None)
        return
    for name in WRITING:
        for share in SHARES:
            given = (BY_NAME[name], inputs, folder / f"{name} {share}".replace(" ", "-"), share)
            yield BY_NAME[name], lambda row, given=given: _no_room(row, *given)


def _no_room(row: Row, case: Case, inputs: Path, place: Path, share: float | None) -> Iterator[str]:
    arguments, whole = case.arguments(inputs), place.parent / f"{case.name.replace(' ', '-')}-whole"
    if not whole.is_dir():
        _prepare(case, inputs, whole)
        yield from _failed(run(whole, arguments, beside=place / "notes"), arguments)
    if share is None:
        _prepare(case, inputs, place / "hurt")
        ended = run(place / "hurt", arguments, beside=place / "notes", faults=["small_files"])
        yield from _one_line(row, ended, case, place / "hurt", "no space left", may_end_well=True)
        return
    with _disk(place / "hurt", 2**30) as hurt:
        _prepare(case, inputs, hurt, made=True)
        before = _size(hurt)
        _resize(hurt, before + int(share * (_size(whole) - before)) + 16_384)
        ended = run(hurt, arguments, beside=place / "notes")
        yield from _one_line(row, ended, case, hurt, "no space left", may_end_well=True)
        _resize(hurt, 2**30)
        yield from _goes_on(row, case, arguments, hurt, whole, ended)


def _goes_on(row: Row, case: Case, arguments: list[str], hurt: Path, whole: Path, ended: Ended) -> Iterator[str]:
    """With room again, a run is resumed as it would have been, and others say what to do."""
    out = hurt / "out"
    if ended.code == 0:
        row.too_late += 1
        return
    resumed = case.resumed and (out / "config.yaml").is_file() and not (out / "summary.json").is_file()
    again = [*arguments[: arguments.index("--out")], "--resume", "out"] if resumed else arguments
    second = run(hurt, again, beside=whole / "notes")
    if second.code == 0:
        found = [] if case.name == "sweep" else checks.differences(out, whole / "out")
        row.resumed_exactly += resumed and not found
        row.started_anew += not resumed
        yield from (f"{name} is another, with room again" for name in found)
    elif second.code == 2 and checks.one_line(second.err, case.command) and not resumed and not case.repeated:
        row.refused += 1
    else:
        yield f"with room again: exit code {second.code}: {second.err.strip()[-800:]}"


def _read_only(inputs: Path, folder: Path, seed: int) -> Iterator[tuple[Case, Wrong]]:
    """Results are to go where nothing may be written."""

    def wrong(row: Row, case: Case, place: Path) -> Iterator[str]:
        with _disk(place, 2**26) as where:
            _prepare(case, inputs, where, made=True)
            (where / "runs").mkdir()
            with _unwritable(where):
                ended = run(where, case.arguments(inputs), beside=folder / "notes")
            yield from _one_line(row, ended, case, where, "may not be written")

    for name in WRITING:
        yield BY_NAME[name], lambda row, name=name: wrong(row, BY_NAME[name], folder / name.replace(" ", "-"))


def _clocks(inputs: Path, folder: Path, seed: int) -> Iterator[tuple[Case, Wrong]]:
    """The clock goes back an hour at every look."""

    def wrong(row: Row, case: Case) -> Iterator[str]:
        runs = [folder / f"{case.name}-{name}".replace(" ", "-") for name in ("whole", "hurt")]
        for place, faults in zip(runs, ([], ["clock_set_back"]), strict=True):
            _prepare(case, inputs, place)
            ended = run(place, case.arguments(inputs), faults=faults)
            row.tracebacks += checks.traces(ended.out + ended.err)
            yield from _failed(ended, case.arguments(inputs))
        found = checks.differences(runs[0] / "out", runs[1] / "out")
        yield from (f"{name} is another" for name in found if case.name != "sweep")

    for name in ON_THE_CLOCK:
        yield BY_NAME[name], lambda row, name=name: wrong(row, BY_NAME[name])


def _dead_workers(inputs: Path, folder: Path, seed: int) -> Iterator[tuple[Case, Wrong]]:
    """One process of a command's own is killed, and then every one that it begins."""
    case, rng = BY_NAME["compare on two processes"], random.Random(seed)
    _prepare(case, inputs, folder / "whole")
    whole = run(folder / "whole", case.arguments(inputs), fresh=True)

    def once(row: Row, place: Path) -> Iterator[str]:
        _prepare(case, inputs, place)
        command = Command(place, case.arguments(inputs), fresh=True)
        _wait_for(command)
        time.sleep(rng.uniform(0, 9))
        for pid in command.workers[:1]:
            os.kill(pid, signal.SIGKILL)
        ended = command.ended()
        row.tracebacks += checks.traces(ended.out + ended.err)
        yield from _failed(ended, case.arguments(inputs))
        yield from (f"{name} is another" for name in checks.differences(place / "out", folder / "whole" / "out"))

    def always(row: Row, place: Path) -> Iterator[str]:
        _prepare(case, inputs, place)
        command = Command(place, case.arguments(inputs), fresh=True)
        while command.alive:
            for pid in command.workers:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        yield from _one_line(row, command.ended(), case, place, "worker died")

    if whole.code:
        raise RuntimeError(whole.err)
    for turn in range(3):
        yield case, lambda row, turn=turn: once(row, folder / f"once-{turn}")
    yield case, lambda row: always(row, folder / "always")


def _little_memory(inputs: Path, folder: Path, seed: int) -> Iterator[tuple[Case, Wrong]]:
    """Sizes are asked for that the memory has no room for."""

    def wrong(row: Row, case: Case, place: Path, more: str) -> Iterator[str]:
        _prepare(case, inputs, place)
        option = more.split()[0]
        words = case.arguments(inputs)
        if option in words:
            words[words.index(option) : words.index(option) + 2] = []
        ended = run(place, [*words, *more.split()], faults=["few_megabytes"])
        yield from _one_line(row, ended, case, place, "out of memory")

    for name, more in TOO_MUCH.items():
        yield BY_NAME[name], lambda row, n=name, m=more: wrong(row, BY_NAME[n], folder / n, m)


def _graphics_memory(inputs: Path, folder: Path, seed: int) -> Iterator[tuple[Case, Wrong]]:
    """A batch of the tuner does not fit: torch raises what it raises on a graphics card."""

    def wrong(row: Row, case: Case, place: Path, says: str) -> Iterator[str]:
        _prepare(case, inputs, place)
        ended = run(place, case.arguments(inputs), faults=["graphics_memory"])
        yield from _one_line(row, ended, case, place, says)

    for name, says in (("tune", "--raft.batch lower"), ("tune by PPO", "--ppo.mini-batches higher")):
        yield BY_NAME[name], lambda row, n=name, s=says: wrong(row, BY_NAME[n], folder / n.replace(" ", "-"), s)


def _no_git(inputs: Path, folder: Path, seed: int) -> Iterator[tuple[Case, Wrong]]:
    """There is no git, and nothing else on the path."""

    def wrong(row: Row, case: Case) -> Iterator[str]:
        _prepare(case, inputs, folder / case.name)
        ended = run(folder / case.name, case.arguments(inputs), PATH="/nowhere")
        row.tracebacks += checks.traces(ended.out + ended.err)
        yield from _failed(ended, case.arguments(inputs))

    for name in ("abtest", "tune"):
        yield BY_NAME[name], lambda row, name=name: wrong(row, BY_NAME[name])


MISHAPS: dict[str, Callable[[Path, Path, int], Iterator[tuple[Case, Wrong]]]] = {
    "full disk": _full_disks,
    "read-only directory": _read_only,
    "clock set back": _clocks,
    "dead worker": _dead_workers,
    "little memory": _little_memory,
    "batch too large": _graphics_memory,
    "no git": _no_git,
}


def _prepare(case: Case, inputs: Path, place: Path, *, made: bool = False) -> None:
    if not made:
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=made)
    if case.command == "report":
        shutil.copytree(inputs / "done", place / "out", ignore=shutil.ignore_patterns("state", "tensorboard"))
        shutil.rmtree(place / "out" / "plots")
        (place / "out" / "report.html").unlink()


def _failed(ended: Ended, arguments: list[str]) -> Iterator[str]:
    if ended.code:
        yield f"copybandit {' '.join(arguments)}: exit code {ended.code}: {ended.err.strip()[-1500:]}"


def _one_line(
    row: Row, ended: Ended, case: Case, place: Path, says: str, *, may_end_well: bool = False
) -> Iterator[str]:
    """What is wrong with how it ended, which has to be exit code 2 and one line, and no file torn."""
    row.tracebacks += checks.traces(ended.out + ended.err)
    if checks.traces(ended.out + ended.err):
        yield f"traceback: {ended.err.strip().splitlines()[-1:]}"
    well = may_end_well and ended.code == 0
    said = ended.code == 2 and checks.one_line(ended.err, case.command) and says in ended.err.lower()
    if not (well or said):
        yield f"exit code {ended.code}, said {ended.err.strip()[-600:]!r}"
    if ended.survivors:
        yield f"{len(ended.survivors)} processes live on"
    for name, why in checks.torn(place / "out").items() if (place / "out").is_dir() else ():
        row.bytes_lost += (place / "out" / name).stat().st_size
        yield f"{name}: {why}"


def _wait_for(command: Command) -> None:
    while command.alive and not command.workers:
        time.sleep(0.01)


def _size(place: Path) -> int:
    """Bytes that its files take on a disk of pages."""
    return sum(4096 * (1 + path.stat().st_size // 4096) for path in place.rglob("*"))


def _may_mount(folder: Path) -> bool:
    try:
        with _disk(folder / "probe", 2**20):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def _disk(place: Path, size: int) -> Iterator[Path]:
    """A disk of so many bytes."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "faults", str(place)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _resize(place: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True, capture_output=True)


@contextmanager
def _unwritable(place: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
