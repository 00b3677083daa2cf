"""What is built is what is installed: the five packages under `copybandit`, whole, and nothing beside them."""

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

PACKAGES = ("simulation", "envs", "agents", "policies", "experiments")


@pytest.fixture(scope="module")
def settings(repository: Path) -> dict[str, Any]:
    with (repository / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


@pytest.fixture(scope="module")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the source archive and, made from that, the wheel; built from a copy, as building leaves folders behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, source)
    for name in PACKAGES:
        shutil.copytree(repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("copybandit-*.whl"))


def package_files(repository: Path) -> set[str]:
    files = [path for name in PACKAGES for path in (repository / name).rglob("*") if path.is_file()]
    kept = [path.relative_to(repository) for path in files if path.suffix != ".pyc" and not path.name.startswith(".")]
    return {f"copybandit/{path.as_posix()}" for path in kept}


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel: Path, repository: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert set(names) == package_files(repository)
    assert "copybandit/simulation/scenarios/shop/catalog.csv" in names
    assert "copybandit/__init__.py" not in names


def test_the_source_archive_holds_what_the_wheel_is_made_of(built: Path, repository: Path) -> None:
    with tarfile.open(next(built.glob("copybandit-*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert {path.removeprefix("copybandit/") for path in package_files(repository)} <= names


def test_the_wheel_carries_command_and_licence(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    entry_points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "copybandit = copybandit.experiments.cli:main" in archive.read(entry_points).decode()
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_every_package_folder_is_listed(repository: Path, settings: dict[str, Any]) -> None:
    folders = [path.parent for name in PACKAGES for path in (repository / name).rglob("__init__.py")]
    mapping = {f"copybandit.{'.'.join(f.relative_to(repository).parts)}": f.relative_to(repository) for f in folders}
    assert settings["tool"]["setuptools"]["package-dir"] == {name: path.as_posix() for name, path in mapping.items()}
    assert sorted(settings["tool"]["setuptools"]["packages"]) == sorted(mapping)


def test_the_root_is_no_package(repository: Path) -> None:
    assert not (repository / "__init__.py").exists()


def run_installed(wheel: Path, folder: Path, code: str) -> str:
    """Runs code where the wheel is installed and the source tree is not: no `.pth` file is read (-S)."""
    zipfile.ZipFile(wheel).extractall(folder)
    paths = [str(folder), sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]]
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {paths!r}\n{code}"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_an_installed_package_has_no_bare_name(wheel: Path, tmp_path: Path, name: str) -> None:
    code = f"""
import importlib.util
for name in ("{name}", "copybandit.{name}"):
    found = importlib.util.find_spec(name)
    print(found and found.origin)
"""
    bare, ours = run_installed(wheel, tmp_path, code).splitlines()
    assert Path(ours) == tmp_path / "copybandit" / name / "__init__.py"
    assert not bare.startswith(str(tmp_path))


def test_the_built_in_scenario_is_read_from_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    code = """
from copybandit.simulation import scenario
print(scenario.__file__)
print(len(scenario.load_scenario("shop")[1]))
"""
    file, products = run_installed(wheel, tmp_path, code).splitlines()
    assert Path(file).is_relative_to(tmp_path)
    assert int(products) >= 96


def test_a_bare_import_from_the_source_tree_fails_at_once(repository: Path) -> None:
    command = [sys.executable, "-c", "import agents.agent"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=repository)
    assert "attempted relative import beyond top-level package" in result.stderr


def test_constraints_pin_what_is_required_and_name_no_place(repository: Path, settings: dict[str, Any]) -> None:
    lines = (repository / "constraints.txt").read_text().split()
    pins = {line.partition("==")[0].lower().replace("_", "-"): line for line in lines}
    project = settings["project"]
    for requirement in project["dependencies"] + project["optional-dependencies"]["dev"]:
        name = requirement.partition(">")[0].partition("[")[0].lower().replace("_", "-")
        assert name in pins, f"{name} is required but not pinned; run `make constraints`"
    assert not [line for line in lines if "==" not in line or any(mark in line for mark in "/@+")]
