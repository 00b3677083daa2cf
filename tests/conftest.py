"""Fixtures that every test may use.

Data
    `tiny_file`        path of a scenario file (tests/data/tiny.yaml), for `--scenario` and for tests that read files
    `tiny_scenario`    that scenario: 2 channels of 2 slots, 3 appeals, 2 segments, CTR 0.2, CVR 0.3
    `tiny_catalog`     its catalog: products k1 and k2 (kitchen), o1 and o2 (outdoor), three ads each, no phrases
    `shared_data`      folder of the real data sets; skips the test where they are absent (see COPYBANDIT_DATA)
Worlds, new for every test, with nothing published
    `tiny_world`       40 users, seed 0, on the CPU
    `make_tiny_world`  the same with arguments: `make_tiny_world(seed=1, users=200, device="cuda", reader=None)`
Random numbers
    `generator`        a torch.Generator on the CPU, seed 0
    `rng`              a numpy Generator, seed 0
Devices
    `ray_cluster`      a Ray cluster of two CPUs on the loopback device; skips the test where Ray is not installed
    `device`           "cpu", and "cuda" where there is one: a test that asks for it runs on each

Every test runs offline, in its own empty directory, so that what it leaves under a relative path (`runs/`) never lands
in the repository. Paths given to tests are absolute.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before the first imports of torch and transformers, which read them once. Tests are small: a second thread wins
# nothing, and where the machine is busy threads that wait for each other cost a hundredfold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1", WANDB_MODE="disabled")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # as the commands have it

import numpy as np
import pytest
import torch
from copybandit.simulation.data.catalog import Catalog
from copybandit.simulation.scenario import Scenario, load_scenario
from copybandit.simulation.world import World, make_world

HERE = Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return HERE.parent


@pytest.fixture(scope="session")
def shared_data(repository: Path) -> Path:
    folder = Path(os.environ.get("COPYBANDIT_DATA", repository.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set COPYBANDIT_DATA to the folder that holds it")
    return folder.resolve()


@pytest.fixture(scope="session")
def tiny_file() -> Path:
    return HERE / "data" / "tiny.yaml"


@pytest.fixture(scope="session")
def _tiny(tiny_file: Path) -> tuple[Scenario, Catalog]:
    return load_scenario(tiny_file)


@pytest.fixture(scope="session")
def tiny_scenario(_tiny: tuple[Scenario, Catalog]) -> Scenario:
    return _tiny[0]


@pytest.fixture(scope="session")
def tiny_catalog(_tiny: tuple[Scenario, Catalog]) -> Catalog:
    return _tiny[1]


@pytest.fixture
def make_tiny_world(tiny_scenario: Scenario, tiny_catalog: Catalog) -> Callable[..., World]:
    def make(seed: int = 0, users: int = 40, **options: object) -> World:
        return make_world(tiny_scenario, tiny_catalog, seed=seed, users=users, **options)

    return make


@pytest.fixture
def tiny_world(make_tiny_world: Callable[..., World]) -> World:
    return make_tiny_world()


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(
    params=["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    yield ray
    ray.shutdown()
