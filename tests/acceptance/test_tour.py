"""The notebook runs from top to bottom, and what is stored with it came of such a run."""

import copy
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOUR = Path(__file__).resolve().parents[2] / "docs" / "tour.ipynb"


def results(notebook) -> list[list[str]]:
    """What kinds of results each piece of code leaves: what is printed, and pictures."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [
        sorted({"picture" if "image/png" in out.get("data", {}) else "said" for out in cell.outputs if _is_shown(out)})
        for cell in code
    ]


def _is_shown(out) -> bool:
    return out.get("name") == "stdout" or "image/png" in out.get("data", {})


def test_every_step_has_something_to_show():
    stored = nbformat.read(TOUR, as_version=4)
    shown = results(stored)
    assert len(shown) == 7
    assert all(shown)
    assert sum("picture" in kinds for kinds in shown) >= 5
    assert TOUR.stat().st_size < 400_000


@pytest.mark.slow
def test_the_tour_runs(tmp_path, monkeypatch):
    # What is drawn goes into the notebook, as where a person runs it.
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    stored = nbformat.read(TOUR, as_version=4)
    again = copy.deepcopy(stored)
    NotebookClient(again, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    assert results(again) == results(stored)
    verdict = "".join(out.text for out in again.cells[-2].outputs if out.get("name") == "stdout")
    assert "untuned, best of 24" in verdict
