"""Where cells run: in this process, on local processes, or on a Ray cluster."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context, parent_process
from typing import Any, Literal, TypeVar

from ...simulation.data.errors import InputError
from .options import Idle, refuse_below

Engine = Literal["local", "ray"]
TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")
RETRIES = 2
"""How often work is given out again after a worker died."""


@dataclass(frozen=True)
class WorkerOptions:
    """Who runs the cells."""

    engine: Engine = "local"
    """local: processes of this machine; ray: a Ray cluster, with the same results."""
    jobs: int = 1
    """Processes that run cells; each uses one thread."""
    ray_address: str | None = None
    """A running Ray cluster (auto: the one of this machine); by default one is started here with `jobs` CPUs."""

    def __post_init__(self) -> None:
        refuse_below(self, jobs=1)

    def idle(self) -> Idle:
        """An address is Ray's, and a cluster that runs has its own CPUs."""
        return {"ray-address": "without --engine ray"} if self.engine == "local" else {}


def run_all(
    work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], engine: Engine, jobs: int, address: str | None = None
) -> Iterator[ResultT]:
    """Runs `work` on every task; results come in the order in which they are done.

    Args:
        work: a function of a module, so that workers can import it.
        tasks: what it is called with.
        engine: local processes or Ray.
        jobs: processes; the CPUs of a Ray cluster that is started here.
        address: of a running Ray cluster (`auto` finds the one of this machine); None starts one here, for as long as
            it is needed.

    Raises:
        InputError: workers died more than `RETRIES` times, or Ray is asked for and absent; or `work` raised it.
    """
    if engine == "ray":
        yield from _on_ray(work, tasks, jobs, address)
    else:
        yield from _on_processes(work, tasks, jobs)


def _on_processes(work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], jobs: int) -> Iterator[ResultT]:
    left = dict(enumerate(tasks))
    for _ in range(RETRIES + 1):
        # Spawned, not forked: torch's threads do not survive a fork.
        context = get_context("spawn")
        pool = ProcessPoolExecutor(min(jobs, len(left)) or 1, mp_context=context, initializer=_end_with_the_parent)
        try:
            with _without_ctrl_c():
                futures = {pool.submit(work, task): number for number, task in left.items()}
            for future in as_completed(futures):
                yield future.result()
                del left[futures[future]]
            return
        except BrokenProcessPool:
            continue
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    raise InputError(_died(f"{len(left)} of {len(tasks)} tasks"))


def _end_with_the_parent() -> None:
    """Of a worker: a parent that is killed cannot end it, and it would wait for work for ever."""

    def watch() -> None:
        if (parent := parent_process()) is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Processes that begin in it never see Ctrl-C, which a terminal sends to all: the parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _on_ray(
    work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], jobs: int, address: str | None
) -> Iterator[ResultT]:
    with _ray(jobs, address) as ray:
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(work)
        waiting = [remote.remote(task) for task in tasks]
        while waiting:
            done, waiting = ray.wait(waiting, num_returns=1)
            try:
                yield ray.get(done[0])
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                reason = str(error).splitlines()[0]
                raise InputError(_died(f"{len(waiting) + 1} of {len(tasks)} tasks ({reason})")) from None


@contextmanager
def _ray(jobs: int, address: str | None) -> Iterator[Any]:
    """Ray, connected; a cluster that was started here is stopped again."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray: Any = import_module("ray")
    except ImportError:
        raise InputError("--engine ray: ray is not installed; pip install 'copybandit[ray]'") from None
    ours = not ray.is_initialized()
    if ours and address is not None:
        try:
            ray.init(address=address, log_to_driver=False)
        except ConnectionError as error:
            raise InputError(f"--ray-address {address}: {str(error).splitlines()[0]}") from None
    elif ours:
        here = {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
        ray.init(address="local", num_cpus=jobs, log_to_driver=False, **here)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def _died(left: str) -> str:
    return (
        f"a worker died {RETRIES + 1} times (out of memory, or killed); {left} are left, what is finished is kept: run "
        "the same command again with --results and fewer --jobs"
    )
