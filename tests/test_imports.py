"""Imports run down only, and the contracts that say so would notice if one did not."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("simulation", "envs", "agents", "policies", "experiments")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs import-linter over `folder`, which holds `copybandit/` laid out as it is installed."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    settings = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=settings, capture_output=True, text=True)


@pytest.fixture
def laid_out(repository: Path, tmp_path: Path) -> Path:
    shutil.copy(repository / "pyproject.toml", tmp_path)
    for name in PACKAGES:
        shutil.copytree(repository / name, tmp_path / "copybandit" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_imports_run_down_only(laid_out: Path) -> None:
    result = lint(laid_out)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "7 kept, 0 broken" in result.stdout


DOWN = "imports run down only"
TRL = "TRL is imported by what tunes the writer alone"
WORLD, AGENTS, WRITER = "the world's parts run down", "agents' parts run down", "the writer's parts run down"
COMMANDS = "commands stand on stages, stages on analysis, and no command knows another"
TOPICS = "topics stand on what draws, the report on topics"


@pytest.mark.parametrize(
    ("package", "line", "contract"),
    [
        ("simulation.data", "from ...envs import placement", DOWN),
        ("envs", "from ..agents import agent", DOWN),
        ("envs", "from ..policies import writer", DOWN),
        ("agents.models", "from ...policies import writer", DOWN),
        ("policies.writer", "from ...agents import agent", DOWN),
        ("policies.writer", "from ...experiments import analysis", DOWN),
        ("simulation.data", "import trl", TRL),
        ("agents.models", "from trl import experimental", TRL),
        ("experiments.harness", "import trl", TRL),
        ("policies.writer", "import trl", TRL),
        ("simulation.data", "from .. import world", WORLD),
        ("simulation.archive", "from ..calibration import fit", WORLD),
        ("agents.models", "from .. import registry", AGENTS),
        ("agents.deep", "from .. import bandit", AGENTS),
        ("policies.writer", "from ..tuning import ppo", WRITER),
        ("policies.reward", "from ..headlines import model", WRITER),
        ("experiments.harness", "from ..analysis.report import page", COMMANDS),
        ("experiments.study", "from .. import tune", COMMANDS),
        ("experiments.analysis.drawing", "from ..loop import findings", TOPICS),
        ("experiments.analysis.headlines", "from ..comparison import cells", TOPICS),
        ("experiments.analysis.fit", "from ..article import sections", TOPICS),
    ],
)
def test_an_import_against_the_rule_is_noticed(laid_out: Path, package: str, line: str, contract: str) -> None:
    (laid_out / "copybandit" / package.replace(".", "/") / "offender.py").write_text(line)
    result = lint(laid_out)
    assert result.returncode != 0, f"{line!r} in {package} passed"
    assert f"{contract} BROKEN" in result.stdout
    assert f"copybandit.{package}.offender" in result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [("simulation/extra", ""), ("experiments/extra", ""), ("experiments/tune", "\nfrom . import loop\n")],
)
def test_a_module_without_a_place_and_a_command_that_calls_another_are_noticed(
    laid_out: Path, module: str, line: str
) -> None:
    with (laid_out / "copybandit" / f"{module}.py").open("a") as file:
        file.write(line)
    result = lint(laid_out)
    assert result.returncode != 0
    assert "1 broken" in result.stdout
    assert f"copybandit.{module.replace('/', '.')}" in result.stdout


def test_packages_reach_each_other_by_relative_import(repository: Path) -> None:
    for path in (path for name in PACKAGES for path in (repository / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            own = [name for name in names if name.partition(".")[0] in ("copybandit", *PACKAGES)]
            assert not own, f"{path}:{node.lineno}: import {own[0]} by a relative import"
