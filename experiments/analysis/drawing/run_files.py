"""What a run directory holds, read when it is asked for."""

import base64
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ....policies.writer.checkpoint import CHECKPOINT
from ....simulation.data.errors import InputError
from ....simulation.data.files import MANIFEST, check_folder, lies_in
from ...harness.config import flat, value_of
from ...harness.files import load_table, read_json, read_yaml

SMOKE_NOTE = "This was a smoke-size run (--quick): it shows that everything works, not how well."


PICTURES = "pictures"
"""Name of the folder, and of the table in it, of small pictures."""


class RunFiles:
    """What a run directory holds; what is absent is empty."""

    def __init__(self, path: Path) -> None:
        """Reads the small files.

        Raises:
            InputError: there is no such directory, or no readable summary.json in it.
        """
        if not path.is_dir():
            raise InputError(f"{path}: no such run directory; `copybandit runs` lists those that there are")
        self.path = path
        self.summary: dict[str, Any] = _nan_again(read_json(path / "summary.json"))
        environment, config = path / "environment.json", path / "config.yaml"
        self.environment: dict[str, Any] = read_json(environment) if environment.is_file() else {}
        self.config: dict[str, Any] = read_yaml(config) if config.is_file() else {}
        self.config_text = config.read_text(encoding="utf-8") if config.is_file() else ""

    def check(self) -> None:
        """Refuses folders that are no longer as the run wrote them: the checkpoint, and what else has a manifest.

        Raises:
            InputError: naming the file.
        """
        for folder in sorted(path for path in self.path.iterdir() if path.is_dir()):
            if folder.name == CHECKPOINT or (folder / MANIFEST).is_file():
                check_folder(folder, "run it again")

    def table(self, name: str, columns: Sequence[str] = ()) -> pd.DataFrame:
        """A table that the run left; empty, with these columns, if it left none.

        Raises:
            InputError: it is torn, or columns are missing.
        """
        path = self.path / name
        return load_table(path, columns) if path.is_file() else pd.DataFrame({column: [] for column in columns})

    def setting(self, name: str) -> Any:
        """What config.yaml says of a setting, by its name on the command line; None where it says nothing."""
        return value_of(flat(self.config), name)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Steps as index, names as columns; empty if nothing was recorded."""
        found = self.table("metrics.csv", ["step", "name", "value"])
        return found.pivot_table(index="step", columns="name", values="value", aggfunc="last")

    @cached_property
    def creatives(self) -> pd.DataFrame:
        """Texts of both writers with proxy and gold rates; empty if there are none."""
        return self.table("creatives.parquet", ["writer"])

    @cached_property
    def pictures(self) -> dict[str, str]:
        """By image that texts stand beside, a small JPEG as a data URI; empty if there are none."""
        table = self.table(f"{PICTURES}/{PICTURES}.csv", ["image", "file"])
        folder = self.path / PICTURES
        return {
            str(row.image): "data:image/jpeg;base64," + base64.b64encode((folder / str(row.file)).read_bytes()).decode()
            for row in table.itertuples()
            if lies_in(folder, str(row.file)) and (folder / str(row.file)).is_file()
        }

    @cached_property
    def placement(self) -> pd.DataFrame:
        """Learning curves of the placement runs; empty if there are none."""
        return self.table("placement.csv", ["writer", "placement", "impressions", "reward"])

    @cached_property
    def placed(self) -> pd.DataFrame:
        """Showings by writer, placement, channel, slot and category; empty if there are none."""
        return self.table("placed.csv", ["writer", "placement", "channel", "slot", "category", "shown"])

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Along each cell of a comparison of agents; empty if there are none."""
        return self.table("curves.csv")

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures must know."""
        return [*([SMOKE_NOTE] if self.setting("quick") else []), *self.summary.get("notes", [])]

    @property
    def both_writers(self) -> bool:
        """Whether there are texts to compare."""
        return {"untuned", "tuned"} <= set(self.creatives["writer"])

    @property
    def archive(self) -> bool:
        """Whether the run is on an archive of real tests."""
        return bool(self.setting("archive"))


def _nan_again(found: Any) -> Any:
    """Bounds and estimates that are not known are null in the file; NaN, they compare as false and plot as nothing."""
    if isinstance(found, list):
        return [_nan_again(part) for part in found]
    if not isinstance(found, dict):
        return found
    unknown = {"mean", "low", "high"} if {"mean", "low", "high"} <= found.keys() else set()
    return {name: math.nan if part is None and name in unknown else _nan_again(part) for name, part in found.items()}
