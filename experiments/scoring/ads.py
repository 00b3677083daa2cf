"""Ads that nobody has shown, as the effect model of a run sees them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import torch

from ...policies.base.start import load_base
from ...policies.effect.contract import CLICK, CONVERT, TextEffect
from ...policies.effect.effect_file import FILE, REMEDY, read_effect
from ...policies.effect.model import EffectModel
from ...policies.effect.reasons import reasons_of_ads
from ...policies.headlines.pairwise import PairwiseEffect
from ...policies.headlines.stacked import StackedEffect
from ...policies.writer.reading import FrozenReader
from ...policies.writer.writer import WriterConfig
from ...simulation.data.catalog import EVERYONE, Catalog, Creative
from ...simulation.data.columns import read_here
from ...simulation.data.errors import InputError
from ...simulation.data.files import read_checked
from ...simulation.data.tables import not_blank
from ..analysis.drawing.formats import told_reasons
from ..harness.rules import NOTHING, RulesOptions
from .told import best_first, competing, read_texts, refusing

TEXTS = pa.DataFrameSchema(
    {
        "product_id": pa.Column(str, not_blank, coerce=True),
        "text": pa.Column(str, not_blank, coerce=True),
        "audience": pa.Column(str, not_blank, coerce=True, required=False),
        "image": pa.Column(str, nullable=True, coerce=True, required=False),
    },
    strict=False,
)
ANY = pa.DataFrameSchema(
    {
        "text": pa.Column(str, not_blank, coerce=True),
        "test_id": pa.Column(str, not_blank, coerce=True, required=False),
    },
    strict=False,
)
"""For an effect model of an archive, which reads nothing but the text."""
CAVEAT = (
    "What the effect model of a run believes, from the clicks that it learned from. Its members' spread says where "
    "feedback was thin; it is no interval."
)
MADE_UP = "An archive has no conversions: the run's world made up what the model knows of them."


def score_ads(
    source: Path,
    columns: Mapping[str, str],
    folder: Path,
    reasons: int,
    value: float,
    publishing: RulesOptions,
    device: torch.device,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Scores, those of a product side by side and the best first; and what the summary says.

    Args:
        source: table of ads, or a folder of such tables, see `read_texts`.
        columns: its names of columns by our own.
        folder: of the effect model.
        reasons: how many are given for each text.
        value: worth of a conversion in clicks.
        publishing: rules on what texts may say.
        device: where the base reads, if the model is told how texts read.

    Raises:
        InputError: the table is no good, a text stands twice for a product and an audience, a product or an audience
            is not known to the model, or there is no such model.
    """
    kind, state = read_effect(folder)
    by_product = kind == EffectModel.__name__
    schema = TEXTS if by_product else ANY
    columns = read_here(columns, schema.columns)
    effect = restored_effect(kind, state, folder, device)

    def known(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
        if not isinstance(effect, EffectModel):
            return frame
        _refuse_strangers(frame, effect, file)
        if "image" not in frame:
            return frame
        return frame.assign(image=effect.catalog.checked_images(frame, "image", str(file)))

    frame = read_texts(source, schema, columns, known)
    rows = frame.to_dict("records")
    creatives = [
        Creative(row.get("product_id", ""), row["text"], row.get("audience", EVERYONE), row.get("image", ""))
        for row in rows
    ]
    scores = pd.concat([frame, _predicted(effect, creatives, value)], axis=1)
    rivals = scores.groupby(competing(frame)).worth
    scores["lift"] = (scores.worth / rivals.transform("mean") - 1).where(rivals.transform("size") > 1)
    if reasons:
        scores["reasons"] = told_reasons(reasons_of_ads(effect, creatives, value, reasons))
    shop = effect.catalog if isinstance(effect, EffectModel) else None
    compliance = publishing.compliance(NOTHING, ()) if shop is None else publishing.compliance(shop)
    scores["refused"] = refusing(compliance, creatives)
    scores, groups = best_first(scores, "worth")
    summary = {
        "scored_ads": {"texts": len(scores), "groups": int(groups.max()) + 1, "value": value},
        "caveat": CAVEAT,
        "notes": [f"Effect model: {folder}.", *([] if by_product else [MADE_UP])],
    }
    return scores, summary


def restored_effect(kind: str, state: Mapping[str, Any], folder: Path, device: torch.device) -> TextEffect:
    """The effect model of a class and a state, as `read_effect` gives them.

    Raises:
        InputError: what it reads with is not here, the base or an encoder; or it is not as it was written.
    """
    return read_checked(folder / FILE, lambda _: _tried(_restored(kind, state, folder, device)), REMEDY)


def _tried(effect: TextEffect) -> TextEffect:
    """Parts that do not fit each other are found out by one prediction."""
    product = effect.catalog.products[0].product_id if isinstance(effect, EffectModel) else ""
    effect.predict([Creative(product, "a text")])
    return effect


def _restored(kind: str, state: Mapping[str, Any], folder: Path, device: torch.device) -> TextEffect:
    if kind == EffectModel.__name__:
        return EffectModel.restored(state, lambda catalog: _reader(catalog, device, state, folder))
    if kind == PairwiseEffect.__name__:
        return PairwiseEffect.restored(state)
    return StackedEffect.restored(state, device)


def _reader(catalog: Catalog, device: torch.device, state: Mapping[str, Any], folder: Path) -> FrozenReader:
    """The base, which says how texts read; untuned, as it was when the model was told that.

    Raises:
        InputError: another writer told the model how texts read.
    """
    reader = FrozenReader(load_base(WriterConfig(), device=device), catalog)
    if state["description"]["reader"] != reader.fingerprint:
        raise InputError(
            f"{folder}: learned from how texts read to another writer than the base (--model), which is not kept; give "
            "the effect/ of a run with --model base"
        )
    return reader


def _refuse_strangers(frame: pd.DataFrame, effect: EffectModel, source: Path) -> None:
    effect.catalog.check_known(frame.product_id, str(source))
    if "audience" not in frame:
        return
    known = [EVERYONE, *effect.segments, *(query.text for query in effect.catalog.queries)]
    strange = ~frame.audience.isin(known)
    if strange.any():
        row = frame.index[strange][0]
        raise InputError(
            f"{source}: row {row + 2}: audience '{frame.audience[row]}' is none that the model learned; give one of "
            f"{', '.join(known[:6])}{', ...' if len(known) > 6 else ''}"
        )


def _predicted(effect: TextEffect, creatives: Sequence[Creative], value: float) -> pd.DataFrame:
    predicted = effect.predict(creatives)
    rates, worth = predicted.rates, predicted.worth(value)
    columns = {"ctr": rates[:, CLICK], "cvr": rates[:, CONVERT], "worth": worth.mean(0)}
    columns |= {"worth_least": worth.min(0).values, "worth_most": worth.max(0).values}
    return pd.DataFrame({name: column.double().numpy() for name, column in columns.items()})
