"""Logs of impressions: reading people's own, and writing the world's in the same format."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import torch
from torch import Tensor

from ..text.queries import share_said
from ..visitors.traffic import Impressions
from ..world import Feedback, World
from .catalog import EVERYONE, Catalog, Creative
from .errors import InputError
from .tables import finite, not_blank, read_table, whole

_flag = pa.Check.isin([0, 1], error="0 or 1")


def _text(required: bool = True) -> pa.Column:
    return pa.Column(str, not_blank, required=required, coerce=True)


def _amount(check: pa.Check) -> pa.Column:
    return pa.Column(float, check, nullable=True, required=False, coerce=True)


# Whole numbers are read as floats and checked, because a cast to int would cut 0.5 down to 0 without a word.
LOG_SCHEMA = pa.DataFrameSchema(
    {
        "impression_id": _text(),
        "timestamp": _text(),
        "user_id": _text(),
        "channel": _text(),
        "position": pa.Column(float, [whole, pa.Check.ge(0, error="a position of zero or more")], coerce=True),
        "product_id": _text(),
        "creative_id": _text(),
        "text": _text(),
        "propensity": pa.Column(float, pa.Check.in_range(0, 1, include_min=False, error="in (0, 1]"), coerce=True),
        "clicked": pa.Column(float, _flag, coerce=True),
        "converted": pa.Column(float, _flag, required=False, coerce=True),
        "conversion_delay_s": _amount(pa.Check.ge(0, error="a delay of zero or more")),
        "revenue": _amount(finite),
        "cost": _amount(finite),
        "user_segment": _text(required=False),
        "context_query": pa.Column(str, nullable=True, required=False, coerce=True),
    },
    strict=False,
)
_WHOLE = ("position", "clicked", "converted")


@dataclass(frozen=True)
class Counts:
    """A log summed over what the effect model sees: one cell a creative, segment, channel and position.

    Cells are int64 [m] indices into the names beside them; counts are float32 [m].
    """

    creatives: tuple[Creative, ...]
    segments: tuple[str, ...]
    channels: tuple[str, ...]
    creative: Tensor
    segment: Tensor
    channel: Tensor
    position: Tensor
    impressions: Tensor
    clicks: Tensor
    conversions: Tensor
    answer: Tensor | None = None
    """[m, 2] where visitors bring queries, else None: 1 if the creative's product is of the category where the answer
    lies, and the share of the query's words that the text says; both 0 where nothing was asked. Cells are then told
    apart by it too."""


def uniform_slates(n: int, candidates: Tensor, slots: int, generator: torch.Generator) -> Tensor:
    """[n, slots] candidates drawn uniformly, no candidate twice in a slate.

    Raises:
        InputError: fewer candidates than slots.
    """
    if len(candidates) < slots:
        raise InputError(f"{len(candidates)} creatives do not fill a slate of {slots} slots; give at least {slots}")
    chosen = torch.zeros(n, 0, dtype=torch.int64, device=candidates.device)
    for taken in range(slots):
        # The r-th of the candidates that are left: step over those taken, lowest first.
        pick = torch.randint(len(candidates) - taken, (n,), generator=generator, device=candidates.device)
        for earlier in chosen.sort(dim=1).values.unbind(1):
            pick = pick + (pick >= earlier)
        chosen = torch.cat([chosen, pick[:, None]], dim=1)
    return candidates[chosen]


def stream_uniform(
    world: World, candidates: Tensor, impressions: int, generator: torch.Generator, batch: int = 8192
) -> Iterator[Feedback]:
    """Feedback of the world under uniform placement, batch by batch."""
    for start in range(0, impressions, batch):
        visits = world.visitors(min(batch, impressions - start))
        yield world.respond(visits, uniform_slates(len(visits), candidates, world.slots, generator))


def count_uniform(
    world: World,
    creatives: Sequence[Creative],
    impressions: int,
    generator: torch.Generator,
    progress: Callable[[int], None] = lambda n: None,
) -> Counts:
    """Publishes creatives, shows them uniformly at random and sums what came of it.

    Args:
        world: it moves on: its clock, its fatigue and its generators.
        creatives: the texts shown.
        impressions: visits; each shows a full slate.
        generator: draws the slates; on the world's device.
        progress: called with the number of impressions done.
    """
    candidates = world.publish(creatives)
    level, share = _answers(world, creatives)
    levels = ANSWER_LEVELS if world.catalog.queries else 1
    sizes = (len(creatives), len(world.audience.segments), len(world.scenario.channels), world.slots, levels)
    total = torch.zeros(4, int(np.prod(sizes)), dtype=torch.float64, device=world.device)
    for feedback in stream_uniform(world, candidates, impressions, generator):
        asked, shown = feedback.impressions.query[:, None] + 1, feedback.slates - candidates[0]
        cell = _cell(feedback, world, candidates, sizes) * levels + level[asked, shown].flatten()
        looks = torch.ones_like(feedback.clicked)
        for row, weight in enumerate((looks, feedback.clicked, feedback.converted, share[asked, shown])):
            total[row] += torch.bincount(cell, weight.flatten().float(), minlength=total.shape[1])
        progress(len(feedback.impressions))
    filled = total[0].nonzero().squeeze(1).cpu()
    creative, segment, channel, position, answered = torch.unravel_index(filled, sizes)
    names = (tuple(creatives), world.audience.segments, tuple(world.scenario.channels))
    seen, clicks, conversions, said = total[:, filled.to(total.device)].float().cpu()
    answer = torch.stack([(answered > SHARES).float(), said / seen], dim=1) if world.catalog.queries else None
    return Counts(*names, creative, segment, channel, position, seen, clicks, conversions, answer)


SHARES = 4
"""Classes of the share of a query's words that a text says: none, up to a third, up to two thirds, more."""
ANSWER_LEVELS = 1 + 2 * SHARES
"""Nothing asked; then the classes of creatives of another category than asked for, and of the same."""


def _answers(world: World, creatives: Sequence[Creative]) -> tuple[Tensor, Tensor]:
    """[Q + 1, n] by query, none first: the level of each creative's answer, and the share of the words it says."""
    queries = world.traffic.queries
    share = torch.zeros(len(queries) + 1, len(creatives))
    level = torch.zeros(len(queries) + 1, len(creatives), dtype=torch.int64)
    if world.catalog.queries:
        share[1:] = share_said([query.text for query in queries.all], [creative.text for creative in creatives])
        same = queries.category[:, None] == queries.category_of(creatives)
        level[1:] = 1 + SHARES * same + (share[1:] * (SHARES - 1)).ceil().long()
    return level.to(world.device), share.to(world.device)


def _cell(feedback: Feedback, world: World, candidates: Tensor, sizes: tuple[int, ...]) -> Tensor:
    _, segments, channels, slots, _ = sizes
    visits: Impressions = feedback.impressions
    context = world.audience.segment[visits.user] * channels + visits.channel
    creative = (feedback.slates - candidates[0]) * segments * channels + context[:, None]
    return (creative * slots + torch.arange(slots, device=creative.device)).flatten()


def read_log(path: str | Path, catalog: Catalog | None = None) -> pd.DataFrame:
    """Reads a log, one row an impression-slot.

    Raises:
        InputError: see `read_table`; also a conversion without a click, an impression-slot given twice, or a product
            that `catalog` lacks.
    """
    frame = read_table(path, LOG_SCHEMA, "log")
    frame = frame.astype({name: int for name in _WHOLE if name in frame})
    if "converted" in frame and (wrong := frame.index[(frame.converted == 1) & (frame.clicked == 0)]).size:
        raise InputError(f"{path}: row {wrong[0] + 2}: converted without a click; correct the row")
    if (wrong := frame.index[frame.duplicated(["impression_id", "position"])]).size:
        twice = frame.loc[wrong[0]]
        raise InputError(
            f"{path}: row {wrong[0] + 2}: impression '{twice.impression_id}' has position {twice.position} a second "
            "time; keep one row an impression-slot"
        )
    if catalog is not None:
        catalog.check_known(frame.product_id, str(path))
    return frame


def count_log(frame: pd.DataFrame) -> Counts:
    """Sums a log table (see `read_log`) into cells; users with no `user_segment` are everyone."""
    frame = frame.assign(
        segment=frame.get("user_segment", EVERYONE), conversions=frame.get("converted", pd.Series(0, frame.index))
    )
    cells = (
        frame.groupby(["product_id", "text", "segment", "channel", "position"], sort=True)
        .agg(impressions=("clicked", "size"), clicks=("clicked", "sum"), conversions=("conversions", "sum"))
        .reset_index()
    )
    creative, names = pd.factorize(pd.MultiIndex.from_frame(cells[["product_id", "text"]]))
    segment, segments = pd.factorize(cells.segment)
    channel, channels = pd.factorize(cells.channel)

    def tensor(values: np.ndarray, kind: torch.dtype) -> Tensor:
        return torch.tensor(np.asarray(values), dtype=kind)

    return Counts(
        tuple(Creative(product, text) for product, text in names),
        tuple(segments),
        tuple(channels),
        *(tensor(v, torch.int64) for v in (creative, segment, channel, cells.position)),
        *(tensor(v, torch.float32) for v in (cells.impressions, cells.clicks, cells.conversions)),
    )


def log_frame(
    world: World,
    feedback: Feedback,
    propensities: Tensor,
    first_impression: int = 0,
    read_at_hours: float = float("inf"),
) -> pd.DataFrame:
    """Feedback as a table in the log format.

    Args:
        world: names users, channels and creatives.
        feedback: B impressions of L slots.
        propensities: [B, L], the probability of each logged action.
        first_impression: number of the first impression.
        read_at_hours: when the log is read; conversions that come later are not in it yet.
    """
    n, slots = feedback.slates.shape
    visits = feedback.impressions

    def spread(values: Tensor) -> np.ndarray:
        return np.repeat(values.cpu().numpy(), slots)

    def of_creatives(values: list[str]) -> np.ndarray:
        return np.array(values, dtype=object)[creative]

    creative = feedback.slates.flatten().cpu().numpy()
    channels = np.array(list(world.scenario.channels))
    segments = np.array(world.audience.segments)
    # A query of -1, for nothing, is the last.
    queries = np.array([*(query.text for query in world.traffic.queries.all), None], dtype=object)
    seconds = spread(visits.hours) * 3600
    late = visits.hours[:, None] + feedback.delay_hours > read_at_hours
    delay = torch.where(late, torch.inf, feedback.delay_hours).flatten().cpu().numpy() * 3600
    return pd.DataFrame(
        {
            "impression_id": np.repeat(np.arange(first_impression, first_impression + n), slots),
            "timestamp": (pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(seconds, unit="s")).astype(str),
            "user_id": spread(visits.user),
            "channel": channels[spread(visits.channel)],
            "position": np.tile(np.arange(slots), n),
            "product_id": of_creatives([creative.product_id for creative in world.creatives]),
            "creative_id": creative,
            "text": of_creatives([creative.text for creative in world.creatives]),
            "propensity": propensities.flatten().cpu().numpy(),
            "clicked": feedback.clicked.flatten().cpu().numpy().astype(int),
            "converted": (feedback.converted & ~late).flatten().cpu().numpy().astype(int),
            "conversion_delay_s": np.where(np.isfinite(delay), delay, np.nan),
            "user_segment": segments[spread(world.audience.segment[visits.user])],
            "context_query": queries[spread(visits.query)],
        }
    )
