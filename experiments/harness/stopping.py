"""Stopping a command from outside: Ctrl-C and SIGTERM end it with one line that says how to go on."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN = 0.05
"""Seconds until a signal is sent again whose exception was lost in code that cannot pass it on."""
GRACE = 2.0
"""Seconds to end in, as some send a signal twice; after them, another one ends the process at once."""


class Stopped(KeyboardInterrupt):
    """A signal asked the command to end."""


class _State:
    """Of the command that this process runs."""

    asked: int | None = None
    at: float = 0.0
    lost: bool = False
    how: str = ""


_state = _State()


def exit_code() -> int | None:
    """What a shell expects of a command that a signal ended (128 and its number); None where none was sent."""
    return None if _state.asked is None else 128 + _state.asked


def going_on(how: str) -> bool:
    """Says how one goes on if the command is stopped from now on; of several, the first has the word.

    Returns:
        Whether this was the first.
    """
    first = not _state.how
    _state.how = _state.how or how
    return first


def finished(how: str) -> None:
    """Says the same anew, of a command whose results are all there."""
    _state.how = how


def how_to_go_on() -> str:
    """'; ...', or nothing where nothing was written."""
    return f"; {_state.how}" if _state.how else ""


def end_workers() -> None:
    """Ends the processes that the command gave work to."""
    for worker in active_children():
        worker.terminate()


def check() -> None:
    """Stops here, if a signal was sent whose exception was lost on its way.

    Raises:
        Stopped: it was.
    """
    if _state.asked is not None:
        raise Stopped(_state.asked)


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGINT and SIGTERM raise `Stopped` in it."""
    _state.asked, _state.how = None, ""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    hook, thread_hook = sys.unraisablehook, threading.excepthook
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)
    sys.unraisablehook, threading.excepthook = _sent_again(hook), _unless_stopped(thread_hook)
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = hook, thread_hook
        for number, handler in before.items():
            # Of a process that was stopped the end is near, and what still comes should not disturb it.
            signal.signal(number, handler if _state.asked is None else signal.SIG_IGN)
        _state.asked = None


def _stop(number: int, frame: FrameType | None) -> None:
    if _state.asked is None:
        _state.asked, _state.at = number, time.monotonic()
        raise Stopped(number)
    if _state.lost:
        _state.lost = False
        raise Stopped(number)
    if time.monotonic() - _state.at > GRACE:
        os._exit(128 + number)


def _sent_again(hook: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Where Python cannot pass an exception on (in a destructor, say), it prints and drops it: it is raised anew.

    What else destructors meet in a command that is being stopped, half made things for one, is not said.
    """

    def unraisable(found: Any) -> None:
        if _state.asked is None:
            hook(found)
        elif issubclass(found.exc_type, Stopped):
            _state.lost = True
            threading.Timer(AGAIN, signal.raise_signal, [_state.asked]).start()

    return unraisable


def _unless_stopped(hook: Callable[[Any], Any]) -> Callable[[Any], None]:
    """What ends a thread is told, but not where the command it worked for is being stopped."""

    def ended(found: Any) -> None:
        if _state.asked is None:
            hook(found)

    return ended
