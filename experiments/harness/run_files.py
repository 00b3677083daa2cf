"""What a run directory holds, read when it is asked for."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ..analysis.report import findings
from .config import flat, value_of
from .run import read_json

SMOKE_NOTE = "This was a smoke-size run (--quick): it shows that everything works, not how well."


class RunFiles:
    """What a run directory holds; what is absent is empty."""

    def __init__(self, path: Path) -> None:
        """Reads the small files.

        Raises:
            InputError: there is no readable summary.json.
        """
        self.path = path
        self.summary: dict[str, Any] = read_json(path / "summary.json")
        environment = path / "environment.json"
        self.environment: dict[str, Any] = read_json(environment) if environment.is_file() else {}
        config = path / "config.yaml"
        self.config_text = config.read_text(encoding="utf-8") if config.is_file() else ""
        self.config: dict[str, Any] = yaml.safe_load(self.config_text) or {}

    def setting(self, name: str) -> Any:
        """What config.yaml says of a setting, by its name on the command line; None where it says nothing."""
        return value_of(flat(self.config), name)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Steps as index, names as columns; empty if nothing was recorded."""
        path = self.path / "metrics.csv"
        if not path.is_file():
            return pd.DataFrame()
        return pd.read_csv(path).pivot_table(index="step", columns="name", values="value", aggfunc="last")

    @cached_property
    def creatives(self) -> pd.DataFrame:
        """Texts of both writers with proxy and gold rates; empty if there are none."""
        path = self.path / "creatives.parquet"
        return pd.read_parquet(path) if path.is_file() else pd.DataFrame({"writer": []})

    @cached_property
    def placement(self) -> pd.DataFrame:
        """Learning curves of the placement runs; empty if there are none."""
        path = self.path / "placement.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    @cached_property
    def placed(self) -> pd.DataFrame:
        """Showings by writer, placement, channel, slot and category; empty if there are none."""
        path = self.path / "placed.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Along each cell of a comparison of agents; empty if there are none."""
        path = self.path / "curves.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

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

    @property
    def targets(self) -> Mapping[str, float]:
        """Lift targets that apply to this run."""
        return findings.ARCHIVE_TARGETS if self.archive else findings.LIFT_TARGETS
