"""A worker that dies takes nothing with it."""

import os
from pathlib import Path

import pytest
from copybandit.experiments.harness.engines import RETRIES, run_all
from copybandit.simulation.data.errors import InputError

FLAKY = """
import os
from pathlib import Path

def square_or_die(task):
    number, marks = task
    if number == 2 and len(list(Path(marks).iterdir())) < 1:
        (Path(marks) / "died").touch()
        os._exit(1)
    return number**2
"""


@pytest.fixture
def square_or_die(tmp_path, monkeypatch):
    """A function that workers can import; its process dies at the first sight of a 2."""
    (tmp_path / "flaky.py").write_text(FLAKY)
    monkeypatch.syspath_prepend(tmp_path)
    import flaky  # pyright: ignore

    return flaky.square_or_die


@pytest.fixture
def tasks(tmp_path):
    (tmp_path / "marks").mkdir()
    return [(number, str(tmp_path / "marks")) for number in range(4)]


def test_a_worker_that_dies_once(square_or_die, tasks):
    assert sorted(run_all(square_or_die, tasks, "local", 2)) == [0, 1, 4, 9]


def test_a_worker_that_always_dies():
    with pytest.raises(InputError, match=f"died {RETRIES + 1} times"):
        list(run_all(os._exit, [1], "local", 1))


def test_errors_of_the_work_come_through():
    with pytest.raises(FileNotFoundError):
        list(run_all(os.stat, ["nowhere"], "local", 1))


@pytest.mark.slow
def test_a_dead_ray_worker(ray_cluster, tasks):
    def square_or_die(task):
        number, marks = task
        if number == 2 and not list(Path(marks).iterdir()):
            (Path(marks) / "died").touch()
            os._exit(1)
        return number**2

    assert sorted(run_all(square_or_die, tasks, "ray", 2)) == [0, 1, 4, 9]
    with pytest.raises(InputError, match="worker died"):
        list(run_all(lambda task: os._exit(1), tasks[:1], "ray", 2))
