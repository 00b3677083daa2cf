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
    assert "2 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("simulation", "from ..envs import placement"),
        ("envs", "from ..agents import agent"),
        ("envs", "from ..policies import writer"),
        ("agents", "from ..policies import writer"),
        ("policies", "from ..agents import agent"),
        ("policies", "from ..experiments import analysis"),
        ("simulation", "import trl"),
        ("agents", "from trl import experimental"),
        ("experiments", "import trl"),
        ("policies", "import trl"),
        ("policies.writer", "import trl"),
    ],
)
def test_an_import_against_the_rule_is_noticed(laid_out: Path, package: str, line: str) -> None:
    (laid_out / "copybandit" / package.replace(".", "/") / "offender.py").write_text(line)
    result = lint(laid_out)
    assert result.returncode != 0, f"{line!r} in {package} passed"
    assert "1 broken" in result.stdout
    assert f"copybandit.{package}.offender" in result.stdout


def test_packages_reach_each_other_by_relative_import(repository: Path) -> None:
    for path in (path for name in PACKAGES for path in (repository / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            own = [name for name in names if name.partition(".")[0] in ("copybandit", *PACKAGES)]
            assert not own, f"{path}:{node.lineno}: import {own[0]} by a relative import"
