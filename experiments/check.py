"""May this copy be published? Texts held against rules on what ads may say, and a platform's limits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pa
import tyro

from ..policies.compliance.filter import CAVEAT, Breach
from ..policies.compliance.rules import BUILT_IN
from ..policies.effect.effect_file import EFFECT, is_effect, read_effect
from ..simulation.data.catalog import CATALOG_SCHEMA, Catalog, Creative
from ..simulation.data.columns import ColumnNames, parse_columns, read_here, refuse_unmet
from ..simulation.data.errors import InputError
from ..simulation.data.tables import not_blank, read_table
from .analysis.report.page import write_report
from .harness.files import load_table, new_folder, write_json, write_table
from .harness.options import torch_device
from .harness.rules import NOTHING, RulesOptions
from .harness.run import write_settings

TEXTS = pa.DataFrameSchema(
    {
        "text": pa.Column(str, not_blank, coerce=True),
        "product_id": pa.Column(str, not_blank, coerce=True, required=False),
    },
    strict=False,
)
SHOWN = 20
"""Refused texts that the terminal lists."""


@dataclass(frozen=True)
class CheckOptions:
    """Options of `copybandit check`."""

    texts: Annotated[Path, tyro.conf.Positional]
    """Table with `text`, and `product_id` with --catalog; or the run directory of a `loop` or `tune`, whose tuned
    writer's texts are checked."""
    catalog: Path | None = None
    """Table of products, whose fields say which prices, discounts and brands a text may name. A run has its own."""
    columns: ColumnNames = ""
    """Columns of the tables that have other names there: text=Headline."""
    platform: str = ""
    """Whose limits hold: search-headline, search-description, feed-headline, feed-text, display-headline or
    marketplace-title; by default none."""
    rules: str = BUILT_IN
    """built-in, none, or rules of your own in YAML, beside the built-in ones or in their place."""
    strict: bool = False
    """Ends with exit code 1 if a text is refused."""
    out: Path | None = None
    """Where results go; by default a new directory under runs/. A directory with something in it is refused."""


def run_check(options: CheckOptions) -> Path:
    """`copybandit check TEXTS`: leaves a page, checked.parquet, checked.csv and counts in summary.json.

    Raises:
        InputError: a table, the rules or the platform are no good, or `out` is in use.
        SystemExit: with code 1, under `strict`, where a text is refused.
    """
    path = new_folder(options.out, "check")
    texts, catalog = _texts(options)
    creatives = [Creative(row.product_id, row.text) for row in texts.itertuples(index=False)]
    judge = RulesOptions(options.platform, options.rules).compliance(catalog)
    found, probabilities = judge.read(creatives)
    checked = texts.assign(**_columns(found), breach_probability=probabilities.round(4))
    write_settings(path, "check", options, torch_device("cpu"))
    write_table(path / "checked.parquet", checked)
    write_table(path / "checked.csv", checked)
    verdicts = {name: int((checked.verdict == name).sum()) for name in ("ok", "flag", "refuse")}
    broken = dict(Counter(breach.rule for breaches in found for breach in breaches).most_common())
    told = {"verdicts": verdicts, "broken": broken, "flagged_from": judge.thresholds(), "caveat": CAVEAT}
    write_json(path / "summary.json", {"command": "check", **told})
    write_report(path)
    print("\n".join(_lines(texts.text.tolist(), found, verdicts)))
    if options.strict and verdicts["refuse"]:
        raise SystemExit(1)
    return path


def _texts(options: CheckOptions) -> tuple[pd.DataFrame, Catalog]:
    """`text` and `product_id` of what is to be checked, and the products."""
    columns = parse_columns(options.columns)
    if options.texts.is_dir():
        return _of_run(options, columns)
    tables = [*TEXTS.columns, *(CATALOG_SCHEMA.columns if options.catalog else ())]
    columns = read_here(columns, tables)
    catalog = NOTHING if options.catalog is None else Catalog.read(options.catalog, None, columns)
    frame = read_table(options.texts, TEXTS, "table of texts", columns)
    refuse_unmet(columns, options.texts, options.catalog)
    if options.catalog is None:
        return frame[["text"]].assign(product_id=""), catalog
    if "product_id" not in frame:
        raise InputError(f"{options.texts}: no column 'product_id', which --catalog is looked up by; add it")
    catalog.check_known(frame.product_id, str(options.texts))
    return frame[["text", "product_id"]], catalog


def _of_run(options: CheckOptions, columns: dict[str, str]) -> tuple[pd.DataFrame, Catalog]:
    run = options.texts
    if columns or options.catalog is not None:
        raise InputError(f"{run}: a run has a catalog of its own; leave out --catalog and --columns")
    file = run / "creatives.parquet"
    if not file.is_file() or not is_effect(run / EFFECT):
        raise InputError(f"{run}: no finished loop or tune; give its run directory, or a table of texts")
    state = read_effect(run / EFFECT)[1]
    texts = load_table(file, ["writer", "product_id", "text"])
    texts = texts.loc[texts.writer == "tuned", ["text", "product_id"]].reset_index(drop=True)
    if "catalog" not in state:  # an archive's texts are of no product
        return texts.assign(product_id=""), NOTHING
    return texts, Catalog.of_facts(state["catalog"])


def _columns(found: Sequence[Sequence[Breach]]) -> dict[str, list[Any]]:
    verdicts = ["refuse" if any(b.severity == "refuse" for b in one) else "flag" if one else "ok" for one in found]
    told = {name: ["; ".join(getattr(b, name) for b in one) for one in found] for name in ("rule", "said", "remedy")}
    return {"verdict": verdicts, **told}


def _lines(texts: Sequence[str], found: Sequence[Sequence[Breach]], verdicts: dict[str, int]) -> list[str]:
    refused = [(text, one) for text, one in zip(texts, found, strict=True) if any(b.severity == "refuse" for b in one)]
    lines = [
        f"{' '.join(text.split())}\n  " + "\n  ".join(f"{b.rule}: '{b.said}'. {b.remedy}" for b in one)
        for text, one in refused[:SHOWN]
    ]
    more = [f"... and {len(refused) - SHOWN:,} more"] if len(refused) > SHOWN else []
    counts = f"{verdicts['refuse']:,} refused, {verdicts['flag']:,} to look at, {verdicts['ok']:,} pass"
    return [*lines, *more, f"{counts}; read for words, not for sense"]
