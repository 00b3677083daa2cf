"""Kills every command at random moments, and looks at what is left and at what comes of going on."""

import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import checks
from .commands import Case
from .processes import Command, Ended, run

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
FRESH = 6
"""Every so manieth process is the console script's, which may be killed while it loads its modules."""
SERVING = 0.5
"""Seconds for which a server that says where it is is left alone."""


@dataclass
class Row:
    """What came of one fault in one command."""

    command: str
    fault: str
    tried: int = 0
    too_late: int = 0
    """It had ended before."""
    survived: int = 0
    """No file torn, no process left, no traceback, one line, and going on as promised."""
    resumed_exactly: int = 0
    started_anew: int = 0
    refused: int = 0
    """In one line, with exit code 2."""
    bytes_lost: int = 0
    """Of files that readers accept and that do not open."""
    tracebacks: int = 0
    seed: int = 0
    problems: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


class Kills:
    """One command, killed again and again."""

    def __init__(self, case: Case, inputs: Path, folder: Path, seed: int) -> None:
        """Runs it once to its end: that is what it is held against."""
        self.case, self.inputs, self.seed = case, inputs, seed
        self.folder = folder / case.name.replace(" ", "-")
        self.rng = random.Random(f"{seed} {case.name}")
        self.rows = {number: Row(case.name, number.name, seed=seed) for number in SIGNALS}
        self.whole, self.seconds = self.folder / "whole", {}
        for fresh in (True, False) if case.several else (False,):
            self.seconds[fresh] = self._to_its_end(self.whole, fresh)
        # Loading modules takes so long beside.
        self.seconds.setdefault(True, self.seconds[False] + 8.0)

    def run(self, moments: int, only: set[str] | None = None) -> list[Row]:
        """Kills it so many times, by the three signals in turn, or at the turns of some `only`; rows by signal."""
        for turn in range(moments):
            number = SIGNALS[turn % len(SIGNALS)]
            if only and number.name not in only:
                continue
            fresh = self.case.several or turn % FRESH == FRESH - 1
            place = self.folder / f"{turn}"
            self._kill(place, number, fresh, again=turn % 2 == 1, row=self.rows[number])
            shutil.rmtree(place, ignore_errors=True)
        return [row for row in self.rows.values() if row.tried]

    def _to_its_end(self, place: Path, fresh: bool) -> float:
        shutil.rmtree(place, ignore_errors=True)
        self._prepare(place)
        command = Command(place, self.case.arguments(self.inputs), fresh=fresh)
        if self.case.command == "serve":
            return self._served(command)
        ended = command.ended()
        if ended.code:
            raise RuntimeError(f"{self.case.line}: {ended.err}")
        return ended.seconds

    def _prepare(self, place: Path) -> None:
        place.mkdir(parents=True)
        if self.case.command == "report":
            shutil.copytree(self.inputs / "done", place / "out")

    def _served(self, command: Command) -> float:
        start = time.monotonic()
        while "Ctrl-C" not in command.said():
            time.sleep(0.01)
            if not command.alive:
                raise RuntimeError(command.ended().err)
        took = time.monotonic() - start
        command.send(signal.SIGINT)
        if command.ended().code:
            raise RuntimeError("serve: Ctrl-C is no error")
        return took + SERVING

    def _kill(self, place: Path, number: int, fresh: bool, again: bool, row: Row) -> None:
        self._prepare(place)
        moment = self.rng.uniform(0.0, self.seconds[fresh])
        row.tried += 1
        command = Command(place, self.case.arguments(self.inputs), fresh=fresh)
        problems = list(self._all(place, command, moment, number, again, row))
        row.problems += [f"at {moment:.2f} s: {problem}" for problem in problems]
        row.survived += not problems

    def _all(self, place: Path, command: Command, moment: float, number: int, again: bool, row: Row) -> Iterator[str]:
        try:
            ended, late = self._killed(command, moment, number)
            # One whose work was done: it did as if no signal had come, or the interpreter was met as it went.
            done = (place / "out" / "summary.json").is_file() and not ended.err.strip()
            late = late or (self.case.command != "serve" and (ended.code == 0 or done))
            row.too_late += late
            yield from self._wrong_end(ended, number, late, row)
            yield from self._torn(place, row)
            yield from self._gone_on(place, again, row)
        except TimeoutError as error:
            yield str(error)

    def _killed(self, command: Command, moment: float, number: int) -> tuple[Ended, bool]:
        until = time.monotonic() + moment
        while command.alive and time.monotonic() < until:
            time.sleep(0.002)
        late = not command.alive
        command.send(number)
        return command.ended(120.0), late

    def _wrong_end(self, ended: Ended, number: int, late: bool, row: Row) -> Iterator[str]:
        row.tracebacks += checks.traces(ended.out + ended.err)
        if checks.traces(ended.out + ended.err):
            yield f"traceback: {(ended.out + ended.err).strip()[-1500:]}"
        if ended.survivors:
            yield f"{len(ended.survivors)} processes live on"
        if number == signal.SIGKILL or late or ended.code == 0:
            return  # one that was just done is no less well
        if ended.code != 128 + number:
            yield f"exit code {ended.code}: {ended.err.strip()[-300:]}"
        elif not checks.one_line(ended.err, self.case.command) or "stopped" not in ended.err:
            yield f"said {ended.err.strip()[-300:]!r}"

    def _torn(self, place: Path, row: Row) -> Iterator[str]:
        for name, why in checks.torn(place / "out").items():
            row.bytes_lost += (place / "out" / name).stat().st_size
            yield f"{name}: {why}"

    def _gone_on(self, place: Path, again: bool, row: Row) -> Iterator[str]:
        out, arguments = place / "out", self.case.arguments(self.inputs)
        if self.case.command == "serve":
            self._served(Command(place, arguments))
            row.started_anew += 1
            return
        if self.case.resumed and (out / "config.yaml").is_file() and not (out / "summary.json").is_file():
            resume = [*arguments[: arguments.index("--out")], "--resume", "out"]
            if again:
                yield from self._torn_by_another(place, resume, row)
            if not (out / "summary.json").is_file():
                ended = run(place, resume)
                if ended.code:
                    yield f"--resume: {ended.err.strip()[-1500:]}"
                    return
            yield from self._not_as_whole(out, row)
            return
        ended = run(place, arguments)
        yield from self._refused_or_anew(ended, out, row)

    def _torn_by_another(self, place: Path, resume: list[str], row: Row) -> Iterator[str]:
        """While it goes on, it is killed again."""
        command = Command(place, resume)
        self._killed(command, self.rng.uniform(0.0, self.seconds[False]), signal.SIGKILL)
        yield from self._torn(place, row)

    def _refused_or_anew(self, ended: Ended, out: Path, row: Row) -> Iterator[str]:
        if ended.code == 0:
            row.started_anew += 1
            yield from (f"{name}: {why}" for name, why in checks.torn(out).items())
            if self.case.name != "sweep":  # what is left of a search is searched with a seed of its own
                yield from (f"{name} is another" for name in checks.differences(out, self.whole / "out"))
            yield from (f"{name} is left" for name in checks.temporaries(out))
        elif ended.code == 2 and checks.one_line(ended.err, self.case.command) and not self.case.repeated:
            row.refused += 1
            if (out / "summary.json").is_file():
                yield from (f"{name} is another" for name in self._figures(out))
        else:
            yield f"again: exit code {ended.code}: {ended.err.strip()[-1500:]}"

    def _figures(self, out: Path) -> list[str]:
        return [name for name in checks.differences(out, self.whole / "out") if name == "summary.json"]

    def _not_as_whole(self, out: Path, row: Row) -> Iterator[str]:
        found = [f"{name} is another" for name in checks.differences(out, self.whole / "out")]
        found += [f"{name} is left" for name in checks.temporaries(out)]
        row.resumed_exactly += not found
        yield from found
