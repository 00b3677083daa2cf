"""Which of these texts would be clicked more, how sure is that, and why? For texts that nobody has tested."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro

from ..agents.agent import CONVERSION_VALUE
from ..policies.effect.effect_file import is_effect
from ..simulation.data.columns import ColumnNames, parse_columns
from .analysis.report.page import write_report
from .harness.files import new_folder, write_json, write_table
from .harness.options import Device, Idle, refuse_below, torch_device
from .harness.run import write_settings
from .scoring.ads import score_ads
from .scoring.headlines import score_headlines
from .scoring.told import lines


@dataclass(frozen=True)
class ScoreOptions:
    """Options of `copybandit score`."""

    texts: Annotated[Path, tyro.conf.Positional]
    """Table with `text`, and what texts compete in: `test_id`, or of ads `product_id`; of ads perhaps `audience`."""
    predictor: Path | None = None
    """The predictor/ that `copybandit headlines` left, or the effect/ of a `loop` or `tune`; by default the one that
    comes along (news headlines, in English)."""
    columns: ColumnNames = ""
    """Columns of the table that have other names there: text=Headline."""
    reasons: int = 3
    """Reasons a text, found by leaving out its words and how it is put; 0 for none, which is faster."""
    conversion_value: float = CONVERSION_VALUE
    """Worth of a conversion in clicks, by which ads are ranked."""
    out: Path | None = None
    """Where results go; by default a new directory under runs/. A directory in use is refused."""
    device: Device = "auto"
    """Where sentence vectors are computed, or where the base reads ads; auto takes a CUDA device when there is one."""

    def __post_init__(self) -> None:
        refuse_below(self, reasons=0, conversion_value=0)

    def idle(self) -> Idle:
        """Headlines have no conversions."""
        ads = self.predictor is not None and is_effect(self.predictor)
        return {} if ads else {"conversion-value": "with a predictor of headlines, which knows clicks alone"}


def run_score(options: ScoreOptions) -> Path:
    """`copybandit score TEXTS`: leaves scores.parquet, scores.csv and a page.

    Raises:
        InputError: the table is no good, a text stands twice in a test, or there is no such predictor.
    """
    path = new_folder(options.out, "score")
    scores, summary = _scored(options)
    write_settings(path, "score", options, torch_device(options.device))
    write_table(path / "scores.parquet", scores)
    write_table(path / "scores.csv", scores)
    write_json(path / "summary.json", {"command": "score", **summary})
    write_report(path)
    print("\n".join(lines(scores)))
    if strange := summary.get("scored", {}).get("unfamiliar"):
        print(f"unlike those that the predictor learned from: {strange:,} texts; what is said of them means little")
    return path


def _scored(options: ScoreOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    device, columns = torch_device(options.device), parse_columns(options.columns)
    if options.predictor is not None and is_effect(options.predictor):
        value = options.conversion_value
        return score_ads(options.texts, columns, options.predictor, options.reasons, value, device)
    return score_headlines(options.texts, columns, options.predictor, options.reasons, device)
