"""Which of these texts would be clicked more, how sure is that, and why? For texts that nobody has tested."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro

from ..agents.agent import CONVERSION_VALUE
from ..policies.effect.effect_file import is_effect
from ..simulation.data.columns import ColumnNames, parse_columns
from .analysis.report.page import write_report
from .harness.files import new_folder, write_json, write_table
from .harness.options import Device, Flat, Idle, refuse_below, torch_device
from .harness.rules import RulesOptions
from .harness.run import write_settings
from .scoring.ads import score_ads
from .scoring.headlines import score_headlines
from .scoring.told import lines


@dataclass(frozen=True)
class ScoreOptions:
    """Options of `copybandit score`."""

    texts: Annotated[Path, tyro.conf.Positional]
    """Table with `text`, and what texts compete in: `test_id`, or of ads `product_id`; of ads perhaps `audience`.
    Or a folder of Parquet files with these columns, such as a log: its texts are scored once each."""
    predictor: Path | None = None
    """The run directory of `copybandit headlines`, whose predictor is asked, or of a `loop` or `tune`, whose effect
    model is; by default the predictor that comes along (news headlines, in English)."""
    columns: ColumnNames = ""
    """Columns of the table that have other names there: text=Headline."""
    reasons: int = 3
    """Reasons a text, found by leaving out its words and how it is put; 0 for none, which is faster."""
    conversion_value: float = CONVERSION_VALUE
    """Worth of a conversion in clicks, by which ads are ranked."""
    publishing: Flat[RulesOptions] = field(default_factory=RulesOptions)
    out: Path | None = None
    """Where results go; by default a new directory under runs/. A directory with something in it is refused."""
    device: Device = "auto"
    """Where sentence vectors are computed, or where the base reads ads; auto takes a CUDA device when there is one."""

    def __post_init__(self) -> None:
        refuse_below(self, reasons=0, conversion_value=0)

    def idle(self) -> Idle:
        """Headlines have no conversions."""
        ads = self.predictor is not None and is_effect(_in_run(self.predictor))
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
    if options.predictor is None:
        print("told by the predictor that comes along, of news headlines; for ads of a run give --predictor RUN")
    print("\n".join(lines(scores)))
    if strange := summary.get("scored", {}).get("unfamiliar"):
        print(f"unlike those that the predictor learned from: {strange:,} texts; what is said of them means little")
    return path


def _scored(options: ScoreOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    device, columns = torch_device(options.device), parse_columns(options.columns)
    predictor = None if options.predictor is None else _in_run(options.predictor)
    if predictor is not None and is_effect(predictor):
        return score_ads(
            options.texts, columns, predictor, options.reasons, options.conversion_value, options.publishing, device
        )
    return score_headlines(options.texts, columns, predictor, options.reasons, options.publishing, device)


def _in_run(path: Path) -> Path:
    """What a run directory has that tells texts apart; any other path as it is."""
    return next((path / name for name in ("effect", "predictor") if (path / name).is_dir()), path)
