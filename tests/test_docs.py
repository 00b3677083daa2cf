"""The pages: every block of sh and python runs, page by page, in an empty folder; the site builds."""

import ast
import importlib
import importlib.util
import json
import re
import shlex
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from types import ModuleType

import pytest
from copybandit.experiments.cli import HELP, main

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = {"sh", "python"}
NOT_RUN = {"text", "csv", "yaml"}
"""Tables and scenarios are read by `test_docs_scenarios.py`."""
SMALL_LOOP = (
    "--model built-in --writer.width 32 --writer.heads 2 --writer.vocabulary 400 --writer.max-new-tokens 8 "
    "--warm-start.lines 160 --users 40 --log-impressions 4000 --effect.steps 20 --samples 1 --algorithm raft "
    "--raft.texts 4 --raft.passes 1 --place-impressions 2048 --place-products 4"
)
"""A loop of seconds, for pages that take its run."""
PAGES = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def run_shell(code: str) -> None:
    """Runs a block: lines that call Copybandit in this process, as starting another takes seconds; the rest in bash."""
    for calls, lines in groupby(code.splitlines(keepends=True), lambda line: line.startswith("copybandit ")):
        if calls:
            for line in lines:
                main(shlex.split(line, comments=True)[1:])
        else:
            subprocess.run(["bash", "-ec", "".join(lines)], check=True)


def script(name: str) -> ModuleType:
    """A script of the docs, as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_map_is_that_of_the_code():
    draw_map = script("draw_map")
    why = "python docs/draw_map.py draws it anew"
    assert (DOCS / "map.svg").read_text(encoding="utf-8") == draw_map.drawing(), why
    assert (DOCS / "map.md").read_text(encoding="utf-8") == draw_map.listing(), why


def test_the_help_that_is_written_down_is_that_of_the_options():
    write_options = script("write_options")
    found, why = write_options.texts(), "python docs/write_options.py writes it anew"
    assert json.loads(HELP.read_text(encoding="utf-8")) == found, why
    assert (DOCS / "options.md").read_text(encoding="utf-8") == write_options.page(found), why


def test_the_figures_of_the_readme_are_those_of_the_committed_summaries():
    rows = script("headline_figures").rows()
    shown = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert len(rows) >= 6
    assert "\n".join(rows) in shown, "python docs/headline_figures.py prints what README is to show"


def test_what_was_tried_is_what_the_results_say():
    page = (DOCS / "reliability.md").read_text(encoding="utf-8")
    assert page == script("trust_table").with_table(page), "python docs/trust_table.py writes it anew"


def test_propensities_and_intervals_are_what_the_results_say():
    page = (DOCS / "evidence" / "coverage.md").read_text(encoding="utf-8")
    assert page == script("coverage_table").with_tables(page), "python docs/coverage_table.py writes it anew"


def test_what_commands_take_is_what_the_results_say():
    page = (DOCS / "scale.md").read_text(encoding="utf-8")
    assert page == script("commands_table").with_table(page), "python docs/commands_table.py writes it anew"


def test_the_readme_is_one_page():
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 130 and len(text) <= 8200


@pytest.mark.parametrize("page", ["../README.md", "../CONTRIBUTING.md", *PAGES])
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", (DOCS / page).read_text(encoding="utf-8"))
    assert [link for link in links if not ((DOCS / page).parent / link).exists()] == []


def test_paths_that_the_design_names_are_there():
    named = re.findall(
        r"`((?:simulation|envs|agents|policies|experiments|tests)/[\w/.]*)`", (DOCS / "design.md").read_text()
    )
    assert len(named) > 20
    assert [path for path in named if not (DOCS.parent / path).exists()] == []


def test_every_block_is_of_a_kind_that_is_run_or_marked():
    kinds = {kind for page in PAGES for kind, _ in blocks(DOCS / page)}
    assert kinds <= RUN | NOT_RUN
    fences = sum((DOCS / page).read_text(encoding="utf-8").count("```") for page in PAGES)
    assert fences == 2 * sum(len(blocks(DOCS / page)) for page in PAGES), "a fence that no test sees"


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(kind in RUN for kind, _ in blocks(DOCS / page))])
def test_the_blocks_of_a_page_run(page):
    if "--sweep" in (DOCS / page).read_text(encoding="utf-8"):
        pytest.importorskip("optuna")
    for kind, code in blocks(DOCS / page):
        if kind == "python":
            exec(compile(code, page, "exec"), {"__name__": "__main__"})
        elif kind == "sh":
            run_shell(code)


@pytest.mark.parametrize("page", ["../README.md", *PAGES])
def test_what_a_page_imports_is_there(page):
    """What was moved is found at once; whether the blocks run is seen by slower tests."""
    for kind, code in blocks(DOCS / page):
        for node in ast.walk(ast.parse(code)) if kind == "python" else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("copybandit"):
                module = importlib.import_module(node.module)
                assert [name.name for name in node.names if not hasattr(module, name.name)] == [], node.module


@pytest.mark.slow
def test_the_python_of_the_readme_runs():
    code = [code for kind, code in blocks(DOCS.parent / "README.md") if kind == "python" and "copybandit" in code]
    assert any("load_agent" in block for block in code)
    main(shlex.split("loop --out runs/mine " + SMALL_LOOP))
    for block in code:
        exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})


@pytest.mark.slow
def test_the_site_builds(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(DOCS.parent / "mkdocs.yml")]
    done = subprocess.run([*command, "-d", str(tmp_path / "site")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "site" / "tutorial" / "index.html").is_file()
