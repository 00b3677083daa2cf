"""Logs by user: all that one user did stands together, so that what is learned from it can be bounded user by user."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .data.catalog import EVERYONE, Creative
from .data.errors import InputError
from .logs import Counts, stream_uniform
from .world import World


@dataclass(frozen=True)
class UserLog:
    """A log of impression-slots, sorted by user and, within a user, by category.

    The names are public: they are set before any row is read. Rows are indices into them, [n] each.
    """

    creatives: tuple[Creative, ...]
    segments: tuple[str, ...]
    channels: tuple[str, ...]
    slots: int
    user: Tensor
    """int64, from 0, in order."""
    category: Tensor
    """int64, of the creative's product."""
    creative: Tensor
    """int64."""
    place: Tensor
    """int64: channel * slots + position."""
    clicks: Tensor
    """float32, 0 or 1."""
    conversions: Tensor
    """float32, 0 or 1."""
    segment: Tensor
    """[U] int64, one a user."""

    def __len__(self) -> int:
        return len(self.user)

    @property
    def users(self) -> int:
        """How many there are."""
        return len(self.segment)

    def counts(self, rows: Tensor | slice = slice(None)) -> Counts:
        """The same summed over users.

        Args:
            rows: indices or a mask of those that count; by default all.
        """
        sizes = (len(self.creatives), len(self.segments), len(self.channels), self.slots)
        place = self.place[rows]
        index = (self.creative[rows] * sizes[1] + self.segment[self.user[rows]]) * (sizes[2] * sizes[3]) + place
        filled, cell = index.unique(return_inverse=True)
        shown = torch.ones(len(cell))
        parts = (shown, self.clicks[rows], self.conversions[rows])
        summed = [torch.zeros(len(filled)).index_add(0, cell, part) for part in parts]
        creative, segment, channel, position = torch.unravel_index(filled, sizes)
        return Counts(self.creatives, self.segments, self.channels, creative, segment, channel, position, *summed)

    @classmethod
    def sorted(
        cls, names: tuple[tuple[Creative, ...], tuple[str, ...], tuple[str, ...], int], segment: Tensor, rows: Tensor
    ) -> "UserLog":
        """Puts rows in order.

        Args:
            names: creatives, segments, channels, slots.
            segment: [U] of each user.
            rows: [6, n] user, category, creative, place, clicked, converted.
        """
        categories = int(rows[1].max()) + 1 if rows.shape[1] else 1
        rows = rows[:, torch.argsort(rows[0].long() * categories + rows[1], stable=True)]
        user, category, creative, place, clicked, converted = rows
        user, category, creative, place = (part.long() for part in (user, category, creative, place))
        return cls(*names, user, category, creative, place, clicked.float(), converted.float(), segment.long())


def log_users_uniform(
    world: World,
    creatives: Sequence[Creative],
    impressions: int,
    generator: torch.Generator,
    progress: Callable[[int], None] = lambda n: None,
) -> UserLog:
    """Publishes creatives and shows them uniformly at random, as `count_uniform` does; keeps whose each row is.

    Args:
        world: it moves on.
        creatives: the texts shown.
        impressions: visits; each shows a full slate.
        generator: draws the slates; on the world's device.
        progress: called with the number of impressions done.

    Raises:
        InputError: visitors bring queries, which a log by user does not hold.
    """
    if world.catalog.queries:
        raise InputError("visitors of this world bring queries, which a log by user does not hold; take another world")
    candidates = world.publish(creatives)
    product = torch.tensor(world.catalog.product_indices(creatives))
    category = torch.tensor(world.catalog.category_of, device=world.device)[product.to(world.device)]
    slots, parts = world.slots, []
    for feedback in stream_uniform(world, candidates, impressions, generator):
        visits, shown = feedback.impressions, feedback.slates - candidates[0]
        place = visits.channel[:, None] * slots + torch.arange(slots, device=shown.device)
        columns = (visits.user[:, None].expand_as(shown), category[shown], shown, place)
        told = (*columns, feedback.clicked, feedback.converted)
        parts.append(torch.stack([column.flatten().int() for column in told]).cpu())
        progress(len(visits))
    names = (tuple(creatives), world.audience.segments, tuple(world.scenario.channels), slots)
    rows = torch.cat(parts, dim=1) if parts else torch.zeros(6, 0, dtype=torch.int32)
    return UserLog.sorted(names, world.audience.segment.cpu(), rows)


def user_log_of(
    frame: pd.DataFrame,
    creatives: Sequence[Creative],
    categories: Sequence[int],
    segments: Sequence[str],
    channels: Sequence[str],
    slots: int,
) -> UserLog:
    """A log table (see `read_log`) by user; a user with no `user_segment` is everyone, one with several has the first.

    Args:
        frame: all of its rows are used.
        creatives: at least those of the table.
        categories: of each creative's product.
        segments: at least those of the table; none but `everyone` where it has no `user_segment`.
        channels: at least those of the table.
        slots: more than any position.
    """
    image = frame["image_id"].fillna("") if "image_id" in frame else pd.Series("", frame.index)
    number = {(c.product_id, c.text, c.image): i for i, c in enumerate(creatives)}
    creative = np.array([number[key] for key in zip(frame.product_id, frame.text, image, strict=True)], dtype=np.int64)
    user, who = pd.factorize(frame.user_id)
    place = frame.channel.map({name: i for i, name in enumerate(channels)}).astype(int) * slots + frame.position
    converted = frame.get("converted", pd.Series(0, frame.index))
    rows = np.stack([user, np.asarray(categories)[creative], creative, place, frame.clicked, converted])
    named = frame.get("user_segment", pd.Series(EVERYONE, frame.index)).groupby(user).first()
    segment = named.map({name: i for i, name in enumerate(segments)}).astype(int).to_numpy(np.int64)
    names = (tuple(creatives), tuple(segments), tuple(channels), slots)
    assert len(segment) == len(who)
    return UserLog.sorted(names, torch.tensor(segment), torch.from_numpy(rows.astype(np.int32)))
