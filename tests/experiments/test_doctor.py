"""`copybandit doctor`: what is here, and what to see to."""

from pathlib import Path

import pytest
from copybandit.experiments import doctor
from copybandit.experiments.cli import main


def told(capsys, *options: str) -> str:
    main(["doctor", *options])
    return capsys.readouterr().out


def test_what_is_here_is_listed(capsys, monkeypatch):
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 1)
    text = told(capsys)
    assert "torch" in text and "trl" in text and "GB free for runs" in text
    assert all(f"[{extra}]" in text for extra in doctor.EXTRAS)
    assert text.rstrip().endswith("All is here.")
    assert not Path("runs").exists()


def test_every_optional_part_for_users_is_named():
    extras = {str(one.marker).split('"')[1] for one in doctor._requirements() if one.marker is not None}
    assert extras - {"dev", "docs"} == set(doctor.EXTRAS)


@pytest.mark.parametrize(
    ("found", "says"),
    [("1.13.0", "trl: 1.13.0, wanted <1.13,>=1.4; pip install"), (None, "trl: not installed, wanted")],
)
def test_a_package_that_does_not_fit_is_told(found, says, capsys, monkeypatch):
    here = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: found if name == "trl" else here(name))
    assert says in told(capsys).split("What to see to:")[1]


def test_few_threads_and_little_room_are_told(capsys, monkeypatch):
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(doctor, "ROOM", 1e9)
    wrong = told(capsys, "--folder", "deep/runs").split("What to see to:")[1]
    assert "OMP_NUM_THREADS=64" in wrong and "make room" in wrong
