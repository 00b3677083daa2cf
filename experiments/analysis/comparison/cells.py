"""A cell of a comparison: one agent serves one world from one seed; what it earned is a row of the results."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ....agents.agent import PlacementAgent, Worth
from ....agents.checked import Serving
from ....agents.registry import AGENTS, agent_for, make_agent
from ....agents.traffic.options import NO_OPTIONS, TrafficOptions
from ....agents.traffic.pacing import Prices
from ....agents.traffic.slate import text_vectors
from ....agents.traffic.wrapper import figures_of
from ....envs.placement import first_ads
from ....simulation.data.catalog import Creative
from ....simulation.data.errors import InputError
from ....simulation.world import World
from ....simulation.world_file import open_world, scenario_of
from ...harness.config import nearest
from ...serving.exposures import Exposures
from ...serving.observers import Curve, Likeness, Money
from ...serving.serve import serve

FORMAT = 4
"""Of a row; results of another format are refused."""


CLUSTERS = 100
"""Clusters of users by which a cell keeps who was shown what; those of all seeds are taken together."""


@dataclass(frozen=True)
class CellSetting:
    """What all cells of an experiment share and their figures depend on."""

    users: int
    creatives: int
    retrieved: int
    impressions: int
    batch: int
    conversion_value: float
    discount: float
    window: int | None
    device: str
    traffic: TrafficOptions = NO_OPTIONS

    def fingerprint(self, scenario: str) -> str:
        """JSON of all that decides a cell's figures besides its agent and seed: settings, and the world's content."""
        return json.dumps(asdict(self) | {"format": FORMAT, "world": world_hash(scenario)}, sort_keys=True)

    def candidates(self, scenario: str) -> list[Creative]:
        """What agents choose from: the first reference ad of so many products.

        Raises:
            InputError: the scenario cannot be read, or there are fewer than slots.
        """
        facts, catalog = _loaded(scenario)
        ads = first_ads(catalog)[: self.creatives]
        if len(ads) < facts.slots:
            raise InputError(f"--creatives {self.creatives}: {len(ads)} products with ads for {facts.slots} slots")
        return ads


@dataclass(frozen=True)
class Task:
    """Cells that share a world, which takes longer to build than an agent to serve it."""

    setting: CellSetting
    scenario: str
    seed: int
    agents: tuple[str, ...]


_loaded = lru_cache(scenario_of)


def world_name(scenario: str) -> str:
    """A built-in scenario's name, or the stem of a scenario's or world's file."""
    return Path(scenario).stem


@lru_cache
def world_hash(scenario: str) -> str:
    """Of the scenario's and its catalog's content.

    Raises:
        InputError: it cannot be read.
    """
    setting, catalog = _loaded(scenario)
    content = [setting.model_dump_json(), *map(repr, catalog.products), *map(repr, catalog.ads)]
    return hashlib.sha256("\n".join(content).encode()).hexdigest()[:12]


def parse_agent(text: str) -> tuple[str, dict[str, Any]]:
    """'lints' or 'lints:scale=0.5:…' -> the agent's name and the settings of its rule.

    Raises:
        InputError: no such agent, or a setting that is no number.
    """
    name, *given = text.split(":")
    if name not in AGENTS:
        raise InputError(f"no agent '{name}'{nearest(name, AGENTS)}; known are {', '.join(AGENTS)}")
    settings: dict[str, Any] = {}
    for part in given:
        key, _, value = part.partition("=")
        try:
            settings[key.strip()] = float(value)
        except ValueError:
            raise InputError(
                f"agent '{text}': write settings as name:setting=number, such as lints:scale=0.3"
            ) from None
    return name, settings


MINIMUM = "min_exposure"
"""A setting that every agent of a comparison may have, instead of `--min-exposure`."""


def exposed(settings: dict[str, Any], traffic: TrafficOptions) -> TrafficOptions:
    """The traffic of an agent that may have a minimum exposure among its settings, which is taken out of them."""
    own = settings.pop(MINIMUM, None)
    return traffic if own is None else replace(traffic, min_exposure=own)


def without_minimum(text: str) -> tuple[str, float | None]:
    """An agent as it would be named without a minimum exposure of its own, and that minimum."""
    parts = text.split(":")
    own = [part.partition("=") for part in parts if part.partition("=")[0].strip() == MINIMUM]
    rest = ":".join(part for part in parts if part.partition("=")[0].strip() != MINIMUM)
    return rest, float(own[-1][2]) if own else None


def check_agent(text: str) -> None:
    """Refuses an agent that could not be made, before anything runs.

    Raises:
        InputError: no such agent or setting, or a minimum exposure that is no share.
    """
    worth, generator = Worth(torch.ones(1, 1)), torch.Generator()
    name, settings = parse_agent(text)
    exposed(settings, NO_OPTIONS)
    make_agent(name, arms=2, slots=1, width=2, worth=worth, generator=generator, **settings)


def run_task(task: Task) -> list[dict[str, Any]]:
    """All cells of a task; for workers, who hand back what is done."""
    return list(cells_of(task))


def cells_of(task: Task) -> Iterator[dict[str, Any]]:
    """Runs a task's cells, on one thread, so that a cell's figures do not depend on who computes it.

    Yields:
        Rows: `agent`, `world`, `seed`, `settings`; by batch of visits, in gold expectation an impression: `size`,
        `reward`, `oracle` (the best slates at the same moments); `seconds` spent deciding and learning; `traffic`, JSON
        of what there is to tell of delays, money and caps; and `shown_to` and `looks`, who was shown what.
    """
    with one_thread():
        world, candidates = build_world(task.setting, task.scenario, task.seed)
        for agent in task.agents:
            served = serve_one(world, candidates, agent, task.setting, task.seed)
            key = {"agent": agent, "world": world_name(task.scenario), "seed": task.seed}
            yield key | {"settings": task.setting.fingerprint(task.scenario)} | served


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def build_world(setting: CellSetting, scenario: str, seed: int) -> tuple[World, Tensor]:
    """The world of a seed, with its candidates published."""
    world = open_world(scenario, seed=seed, users=setting.users, device=setting.device)
    return world, world.publish(setting.candidates(scenario))


def serve_one(world: World, candidates: Tensor, agent: str, setting: CellSetting, seed: int) -> dict[str, Any]:
    """One agent serves the world from its beginning.

    Common random numbers: the same visitors come to every agent of a seed, and the n-th draw decides the n-th slot for
    all of them, so that agents that show the same get the same.
    """
    world.reset(seed)
    traffic, made = setting.traffic, make(world, agent, setting, seed)
    money = None if traffic.budget is None else Money(traffic.budget, Prices.of(world.scenario, world.device))
    curve = Curve(oracle=True, money=money)
    alike = None if traffic.most_alike is None else Likeness(text_vectors(world.creatives, world.device))
    shown = Exposures(world, CLUSTERS)
    seconds = serve(
        world,
        made,
        candidates,
        setting.impressions,
        [curve, shown] if alike is None else [curve, shown, alike],
        batch=setting.batch,
        conversion_value=setting.conversion_value,
    )
    told = figures_of(made) | ({} if alike is None else {"likeness": alike.mean})
    batches = {"size": curve.sizes, "reward": curve.rewards, "oracle": curve.oracles}
    return batches | {"seconds": seconds, "traffic": json.dumps(told)} | shown.total.flat()


def served_agent(setting: CellSetting, scenario: str, seed: int, agent: str) -> PlacementAgent:
    """The agent of a cell, as it is when it has served: the cell runs once more, and nothing is recorded."""
    with one_thread():
        world, candidates = build_world(setting, scenario, seed)
        world.reset(seed)
        made = make(world, agent, setting, seed)
        value = setting.conversion_value
        serve(world, made, candidates, setting.impressions, batch=setting.batch, conversion_value=value)
    return made


def make(world: World, agent: str, setting: CellSetting, seed: int) -> PlacementAgent:
    """An agent of a cell, as it is when it knows nothing."""
    plain = setting.discount == 1.0 and setting.window is None
    name, settings = parse_agent(agent)
    traffic = exposed(settings, setting.traffic)
    return agent_for(
        world,
        name,
        seed=seed,
        conversion_value=setting.conversion_value,
        retrieved=setting.retrieved,
        serving=None if plain else Serving(setting.discount, setting.window),
        traffic=traffic,
        visits=setting.impressions,
        **settings,
    )
