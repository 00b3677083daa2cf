"""Logs of the world: uniform placement, counts of what came of it, and feedback in the format of people's own logs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .data.catalog import EVERYONE, Creative
from .data.errors import InputError
from .text.queries import share_said
from .visitors.traffic import Impressions
from .world import Feedback, World


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


def count_log(frame: pd.DataFrame) -> Counts:
    """Sums a log table (see `read_log`) into cells; users with no `user_segment` are everyone."""
    frame = frame.assign(
        segment=frame.get("user_segment", EVERYONE),
        conversions=frame.get("converted", pd.Series(0, frame.index)),
        image=frame["image_id"].fillna("") if "image_id" in frame else "",
    )
    cells = (
        frame.groupby(["product_id", "text", "image", "segment", "channel", "position"], sort=True)
        .agg(impressions=("clicked", "size"), clicks=("clicked", "sum"), conversions=("conversions", "sum"))
        .reset_index()
    )
    creative, names = pd.factorize(pd.MultiIndex.from_frame(cells[["product_id", "text", "image"]]))
    segment, segments = pd.factorize(cells.segment)
    channel, channels = pd.factorize(cells.channel)

    def tensor(values: np.ndarray, kind: torch.dtype) -> Tensor:
        return torch.tensor(np.asarray(values), dtype=kind)

    return Counts(
        tuple(Creative(product, text, image=image) for product, text, image in names),
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
    images = [world.catalog.image_of(creative) for creative in world.creatives]
    pictured = {"image_id": of_creatives(images)} if any(images) else {}
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
            **pictured,
            "propensity": propensities.flatten().cpu().numpy(),
            "clicked": feedback.clicked.flatten().cpu().numpy().astype(int),
            "converted": (feedback.converted & ~late).flatten().cpu().numpy().astype(int),
            "conversion_delay_s": np.where(np.isfinite(delay), delay, np.nan),
            "user_segment": segments[spread(world.audience.segment[visits.user])],
            "context_query": queries[spread(visits.query)],
        }
    )
