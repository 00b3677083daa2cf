"""The Open Bandit Dataset, read as downloaded (Saito, Aihara, Matsutani and Narita, arXiv 2008.07146).

A folder a policy and campaign, `{random,bts}/{all,men,women}/`: `CAMPAIGN.csv` holds a row an item shown in one of
three positions, `item_context.csv` a row an item.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from .errors import InputError
from .reading.times import read_times
from .tables import finite, read_table, whole

_share = pa.Check.in_range(0, 1, include_min=False, error="in (0, 1]")
_whole = [whole, pa.Check.ge(0, error="a number of zero or more")]
_user_features = tuple(f"user_feature_{i}" for i in range(4))

LOG_SCHEMA = pa.DataFrameSchema(
    {
        "timestamp": pa.Column(str, coerce=True),
        "item_id": pa.Column(float, _whole, coerce=True),
        "position": pa.Column(float, [whole, pa.Check.ge(1, error="a position of one or more")], coerce=True),
        "click": pa.Column(float, pa.Check.isin([0, 1], error="0 or 1"), coerce=True),
        "propensity_score": pa.Column(
            float, pa.Check.in_range(0, 1, include_min=False, error="in (0, 1]"), coerce=True
        ),
        **{name: pa.Column(str, coerce=True) for name in _user_features},
    },
    strict=False,
)
ITEM_SCHEMA = pa.DataFrameSchema(
    {
        "item_id": pa.Column(float, _whole, unique=True, report_duplicates="exclude_first", coerce=True),
        "item_feature_0": pa.Column(float, finite, coerce=True),
        **{f"item_feature_{i}": pa.Column(str, coerce=True) for i in range(1, 4)},
    },
    strict=False,
)


@dataclass(frozen=True)
class OpenBanditLog:
    """n items shown one at a time, of K items in P positions; in the order of the file."""

    timestamp: NDArray[np.datetime64]
    """[n], UTC."""
    item: NDArray[np.int64]
    """[n], from 0 to K - 1."""
    position: NDArray[np.int64]
    """[n], from 0 (the file counts from 1)."""
    click: NDArray[np.int64]
    """[n], 0 or 1."""
    propensity: NDArray[np.float64]
    """[n], the probability of this item in this position; in (0, 1]."""
    user_features: pd.DataFrame
    """[n, 4] hashed texts, `user_feature_0` and on."""
    affinity: NDArray[np.float64]
    """[n, K], how often the user clicked each item before."""
    item_features: pd.DataFrame
    """[K, 4] by item: `item_feature_0` a number, the others hashed texts."""

    def __len__(self) -> int:
        return len(self.item)

    @property
    def items(self) -> int:
        """K."""
        return len(self.item_features)

    @property
    def positions(self) -> int:
        """P."""
        return int(self.position.max()) + 1


def read_open_bandit(directory: str | Path) -> OpenBanditLog:
    """Reads the folder of one policy and campaign, such as `random/men`.

    Raises:
        InputError: no such folder or not of this layout; see also `read_table`; items that are not numbered from 0, an
            item shown that is not in `item_context.csv`, a time that is none, affinities that do not fit the items.
    """
    directory = Path(directory)
    path, items_path = _files(directory)
    items = read_table(items_path, ITEM_SCHEMA, "table of items").sort_values("item_id")
    if not np.array_equal(items.item_id, np.arange(len(items))):
        raise InputError(f"{items_path}: the {len(items)} items are not numbered from 0 on; restore the file")
    affinities = [f"user-item_affinity_{i}" for i in range(len(items))]
    numbers = {name: pa.Column(float, finite, required=False, coerce=True) for name in affinities}
    frame = read_table(path, LOG_SCHEMA.add_columns(numbers), "log")
    if (wrong := frame.index[frame.item_id >= len(items)]).size:
        item = int(frame.item_id[wrong[0]])
        raise InputError(f"{path}: row {wrong[0] + 2}: item {item} is not in {items_path.name}; add it there")
    timestamp, _ = read_times(frame.timestamp, str(path))
    given = [name for name in frame if str(name).startswith("user-item_affinity_")]
    if given and set(given) != set(affinities):
        raise InputError(
            f"{path}: {len(given)} columns of affinities for {len(items)} items; keep `user-item_affinity_0` and on, "
            "one an item"
        )
    return OpenBanditLog(
        timestamp=timestamp.dt.tz_localize(None).to_numpy(),
        item=frame.item_id.to_numpy(np.int64),
        position=frame.position.to_numpy(np.int64) - 1,
        click=frame.click.to_numpy(np.int64),
        propensity=frame.propensity_score.to_numpy(np.float64),
        user_features=frame[list(_user_features)],
        affinity=frame[affinities].to_numpy(np.float64) if given else np.zeros((len(frame), len(items))),
        item_features=items[[f"item_feature_{i}" for i in range(4)]].reset_index(drop=True),
    )


def joined_logs(first: OpenBanditLog, second: OpenBanditLog) -> OpenBanditLog:
    """The rows of two logs of one campaign, one log after the other; items by their number, with the first log's
    features. Texts are hashed otherwise in every folder, so users of the two never look alike.

    Raises:
        InputError: their items differ.
    """
    sizes = [log.item_features["item_feature_0"].to_numpy() for log in (first, second)]
    if not np.array_equal(*sizes):
        raise InputError("the two Open Bandit logs have different items; give two policies of one campaign")
    names = ("timestamp", "item", "position", "click", "propensity", "affinity")
    rows = {name: np.concatenate([getattr(log, name) for log in (first, second)]) for name in names}
    users = pd.concat([first.user_features, second.user_features], ignore_index=True)
    return OpenBanditLog(user_features=users, item_features=first.item_features, **rows)


def _files(directory: Path) -> tuple[Path, Path]:
    """The log and the table of items."""
    log, items = directory / f"{directory.resolve().name}.csv", directory / "item_context.csv"
    if not directory.is_dir():
        raise InputError(f"{directory}: no such folder; give one of the Open Bandit Dataset, such as random/men")
    if not log.is_file() and (inner := sorted(path.parent for path in directory.glob("**/item_context.csv"))):
        raise InputError(f"{directory}: holds several campaigns; give one of them, such as {inner[0]}")
    if missing := [path.name for path in (log, items) if not path.is_file()]:
        raise InputError(
            f"{directory}: no {missing[0]} in it; give a folder of the Open Bandit Dataset as downloaded, with "
            f"{log.name} and item_context.csv"
        )
    return log, items
