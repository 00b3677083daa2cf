"""The policies that `copybandit offline` can value: what each would do at the impressions of a log."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandera.pandas as pa
import torch

from ....agents.agent import Worth
from ....agents.bandit import Bandit
from ....agents.propensity import chances
from ....agents.registry import make_agent
from ....agents.rules import sample
from ....simulation.data.errors import InputError
from ....simulation.data.tables import finite, read_table
from ....simulation.world import Feedback
from ..statistics.bootstrap import Array
from . import plackett_luce
from .logged import Codes, Log, Logged

ONLY = "only="
SAMPLES = 200_000
"""Slates drawn for the probabilities of a fixed policy in more than three slots."""

PROBABILITIES_SCHEMA = pa.DataFrameSchema(
    {
        "creative_id": pa.Column(str, coerce=True),
        "probability": pa.Column(float, [finite, pa.Check.ge(0, error="zero or more")], coerce=True),
    },
    strict=False,
)


class Policy(Protocol):
    """What a policy would do."""

    @property
    def estimated(self) -> bool:
        """Whether its probabilities are estimated."""
        ...

    def chances(self, logged: Logged) -> tuple[Array, Array]:
        """[n, L, K] probability of each creative in each slot whatever stands above; and given the logged ones."""
        ...


@dataclass(frozen=True)
class FixedPreferences:
    """The same for everyone: [P, K] preferences by place, each slot filled in proportion among what is left."""

    preference: Array
    estimated: bool = False

    def chances(self, logged: Logged) -> tuple[Array, Array]:
        """See `Policy.chances`; exact for up to three slots."""
        rows = self.preference[logged.place]
        if logged.slots == 1:
            return rows[:, None], rows[:, None]
        # What has no preference fills the slots that are left, all alike.
        preference = np.maximum(self.preference, 1e-9)
        if logged.slots <= 3:
            in_slot = plackett_luce.in_slot(preference, logged.slots)
        else:
            in_slot = _by_drawing(preference, logged.slots)
        return in_slot[logged.place], plackett_luce.given_above(preference[logged.place], logged.creative)


def _by_drawing(preference: Array, slots: int) -> Array:
    rng, creatives = np.random.default_rng(0), preference.shape[1]
    tables = []
    for row in preference:
        slates = plackett_luce.draw_slates(np.broadcast_to(row, (SAMPLES, creatives)), slots, rng)
        tables.append([np.bincount(slot, minlength=creatives) / SAMPLES for slot in slates.T])
    return np.array(tables)


@dataclass(frozen=True)
class Trained:
    """A placement agent as it is after a part of the log; it learns no more."""

    agent: Bandit
    draws: int
    creatives: int
    estimated: bool

    def chances(self, logged: Logged) -> tuple[Array, Array]:
        """See `Policy.chances`. Given the slots above they are exact where the agent's rule has a closed form, else the
        share of `draws` picks; whatever stands above, the mean over `draws` ways to fill the slots above.
        """
        agent = self.agent
        generator = torch.Generator(agent.device).manual_seed(0)
        candidates = torch.arange(self.creatives)
        belief = agent.model.posterior(logged.impressions.context, candidates)
        opened, shown = None, torch.as_tensor(logged.creative)
        below = []
        for slot in range(logged.slots):
            below.append(chances(agent.rule, belief, opened, agent.serving.floor, generator, self.draws))
            opened = agent.layout.close(opened, shown[:, : slot + 1], candidates, belief.mean.shape)
        given_above = torch.stack(below, 1).double().numpy()
        if logged.slots == 1:
            return given_above, given_above
        total = torch.zeros(given_above.shape)
        for _ in range(self.draws):
            opened, chosen = None, []
            for slot in range(logged.slots):
                chance = chances(agent.rule, belief, opened, agent.serving.floor, generator, 1)
                total[:, slot] += chance
                chosen.append(sample(chance, generator)[0])
                opened = agent.layout.close(opened, torch.stack(chosen, 1), candidates, belief.mean.shape)
        return (total / self.draws).double().numpy(), given_above


def train(name: str, log: Log, conversion_value: float, draws: int, seed: int) -> Trained:
    """Lets a bandit learn from a log as if it had been its own."""
    worth = Worth(torch.as_tensor(slot_looks(log), dtype=torch.float32), conversion_value)
    generator = torch.Generator().manual_seed(seed)
    agent = make_agent(name, arms=log.creatives, slots=log.slots, width=log.width, worth=worth, generator=generator)
    for block in log:
        for rows in row_batches(len(block), 1024):
            part = block.rows(rows)
            clicked, converted = torch.as_tensor(part.clicked), torch.as_tensor(part.converted)
            never = torch.full(clicked.shape, torch.inf)
            agent.update(Feedback(part.impressions, torch.as_tensor(part.creative), clicked, converted, never))
    assert isinstance(agent, Bandit)
    return Trained(agent, draws, log.creatives, estimated=not agent.rule.exact or log.slots > 1)


def slot_looks(log: Log) -> Array:
    """[channels, L] how much a slot is looked at, relative to the top one: their click rates in the log, by channel."""
    clicks = np.zeros((log.channels, log.slots))
    for block in log:
        channel = block.impressions.channel.numpy()
        clicks += np.stack(
            [np.bincount(channel, column, minlength=log.channels) for column in block.clicked.T.astype(float)], axis=1
        )
    top = clicks[:, :1]
    return np.clip(np.divide(clicks, top, out=np.ones_like(clicks), where=top > 0), 0.05, 1.0)


def fixed_policy(name: str, log: Log) -> FixedPreferences | None:
    """The fixed policy of a name: `uniform`, `only=CREATIVE`, or the path of a CSV of probabilities; None if none.

    Raises:
        InputError: a creative that the log does not hold, or probabilities that do not sum to one.
    """
    if name == "uniform":
        return FixedPreferences(np.full((log.places, log.creatives), 1 / log.creatives))
    if name.startswith(ONLY):
        preference = np.zeros((log.places, log.creatives))
        preference[:, _index(log, [name.removeprefix(ONLY)], f"--policy {name}")] = 1
        return FixedPreferences(preference)
    if name.endswith((".csv", ".parquet")):
        return FixedPreferences(np.repeat(_probabilities(Path(name), log)[None], log.places, axis=0))
    return None


def _index(log: Log, names: list[str], source: str) -> Codes:
    known = {name: code for code, name in enumerate(log.names)}
    if missing := [name for name in names if name not in known]:
        few = ", ".join(log.names[:5]) + (", ..." if len(log.names) > 5 else "")
        raise InputError(
            f"{source}: creative '{missing[0]}' is never shown in {log.source}, which tells nothing of it; choose "
            f"among {few}"
        )
    return np.array([known[name] for name in names], dtype=np.int64)


def _probabilities(path: Path, log: Log) -> Array:
    table = read_table(path, PROBABILITIES_SCHEMA, "table of probabilities")
    if (twice := table.index[table.creative_id.duplicated()]).size:
        raise InputError(f"{path}: row {twice[0] + 2}: creative '{table.creative_id[twice[0]]}' stands there twice")
    total = float(table.probability.sum())
    if abs(total - 1) > 1e-3:
        raise InputError(f"{path}: the probabilities sum to {total:g}, not to 1; correct them")
    found = np.zeros(log.creatives)
    used = table[table.probability > 0]
    found[_index(log, used.creative_id.tolist(), str(path))] = used.probability.to_numpy(np.float64) / total
    return found


def own_policy(log: Log, other: Log) -> FixedPreferences:
    """The policy that made a log, as how often it chose each creative in each place.

    That is right where it looks at nothing else, or where what it looks at has no bearing on rewards.

    Raises:
        InputError: the two logs are not of the same creatives and places.
    """
    if log.names != other.names or log.slots != other.slots or log.slots > 1:
        raise InputError(f"{log.source}: not of the same items as {other.source}; give two folders of one campaign")
    counts = np.zeros((max(log.places, other.places), log.creatives))
    for block in log:
        np.add.at(counts, (block.place, block.creative[:, 0]), 1)
    return FixedPreferences(counts / np.maximum(counts.sum(1, keepdims=True), 1), estimated=True)


def row_batches(n: int, size: int) -> Iterator[Codes]:
    """Rows 0 to n - 1 in batches."""
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))
