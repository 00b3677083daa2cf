"""What each group of users was shown: looks, clicks, conversions, kinds of products, by clusters of users."""

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...simulation.data.catalog import Catalog
from ...simulation.world import World
from .serve import Observer, Turn

VISITS, LOOKS, CLICKS, CONVERSIONS = range(4)
PLAIN = 4
"""Columns before those of kinds."""
MOST = 2000
"""Clusters of users; where there are more users, several of one segment are one cluster."""
NAMES = ("segments", "channels", "kinds", "products", "brands")
PRICES = ("price: lower third", "price: middle third", "price: upper third")


@dataclass(frozen=True)
class Exposure:
    """Sums over the visits of a run, in gold expectation: looks are chances of being looked at."""

    segments: tuple[str, ...]
    channels: tuple[str, ...]
    kinds: tuple[str, ...]
    """Categories, and thirds of the catalog's prices; a product is of one of each."""
    products: tuple[str, ...]
    """That could be shown."""
    brands: tuple[str, ...]
    """Of each product, its advertiser; empty where it has none."""
    segment: NDArray[np.int64]
    """[M] of each cluster of users."""
    by_channel: NDArray[np.float64]
    """[M, channels, 4 + 2 kinds] visits, looks, clicks, conversions; looks at each kind; visits with one of the kind in
    the slate."""
    by_product: NDArray[np.float64]
    """[M, products] looks."""

    def flat(self) -> dict[str, Any]:
        """As a row of results holds it: names as JSON, and all sums in one list."""
        names = {name: list(getattr(self, name)) for name in NAMES}
        sums = np.concatenate([self.by_channel.ravel(), self.by_product.ravel()]).astype(np.float32)
        return {"shown_to": json.dumps(names | {"segment": self.segment.tolist()}), "looks": sums.tolist()}

    @staticmethod
    def of_flat(shown_to: str, looks: Any) -> "Exposure":
        """What `flat` gave."""
        told = json.loads(shown_to)
        names = {name: tuple(told[name]) for name in NAMES}
        segment, sums = np.array(told["segment"], dtype=np.int64), np.asarray(looks, dtype=np.float64)
        shape = (len(segment), len(names["channels"]), PLAIN + 2 * len(names["kinds"]))
        cut = int(np.prod(shape))
        by_product = sums[cut:].reshape(len(segment), -1)
        return Exposure(**names, segment=segment, by_channel=sums[:cut].reshape(shape), by_product=by_product)

    @staticmethod
    def pooled(parts: "list[Exposure]") -> "Exposure":
        """Of several seeds, whose users are others: their clusters side by side."""
        first = parts[0]
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("segment", "by_channel", "by_product")
        }
        return replace(first, **joined)


class Exposures(Observer):
    """Adds up who was shown what."""

    def __init__(self, world: World, most: int = MOST) -> None:
        """Starts at zero; products are those of the creatives published by now.

        Args:
            world: of the visitors.
            most: clusters of users.
        """
        self._world, self._category = world, torch.tensor(world.catalog.category_of, device=world.device)
        categories, self._third = world.catalog.categories, price_thirds(world.catalog).to(world.device)
        self._kinds = (*(f"category: {name}" for name in categories), *PRICES)
        self._first_price = len(categories)
        self._cluster, self._segment = clusters(world.audience.segment, most)
        self._shown = world.product.unique()
        self._column = torch.full((len(world.catalog),), -1, device=world.device)
        self._column[self._shown] = torch.arange(len(self._shown), device=world.device)
        sizes = (len(self._segment), len(world.examination), PLAIN + 2 * len(self._kinds))
        self._by_channel = torch.zeros(sizes, dtype=torch.float64, device=world.device)
        self._by_product = torch.zeros(sizes[0], len(self._shown), dtype=torch.float64, device=world.device)

    def shown(self, turn: Turn) -> None:
        """See `Observer.shown`."""
        visits, seen, rates = turn.visits, turn.impressions, turn.rates
        self._add(visits.user, visits.channel, VISITS, torch.ones(len(visits), 1, device=visits.user.device))
        looks = rates.examine.double()
        plain = torch.stack([looks.sum(1), rates.ctr.sum(1), (rates.ctr * rates.convert).sum(1)], 1)
        self._add(seen.user, seen.channel, LOOKS, plain)
        product = turn.world.products_of(turn.slates)
        kind = torch.cat([self._category[product], self._first_price + self._third[product]], 1)
        none = looks.new_zeros(len(looks), len(self._kinds))
        self._add(seen.user, seen.channel, PLAIN, none.scatter_add(1, kind, looks.repeat(1, 2)))
        self._add(seen.user, seen.channel, PLAIN + len(self._kinds), none.scatter(1, kind, 1.0))
        cell = self._cluster[seen.user][:, None] * len(self._shown) + self._column[product]
        self._by_product.view(-1).index_add_(0, cell.flatten(), looks.flatten())

    @property
    def total(self) -> Exposure:
        """All so far."""
        shown = [self._world.catalog.products[i] for i in self._shown.tolist()]
        return Exposure(
            self._world.audience.segments,
            tuple(self._world.scenario.channels),
            self._kinds,
            tuple(product.product_id for product in shown),
            tuple(product.brand for product in shown),
            self._segment.cpu().numpy(),
            self._by_channel.cpu().numpy(),
            self._by_product.cpu().numpy(),
        )

    def _add(self, user: Tensor, channel: Tensor, first: int, rows: Tensor) -> None:
        place = self._cluster[user] * self._by_channel.shape[1] + channel
        cells = self._by_channel.view(-1, self._by_channel.shape[2])[:, first : first + rows.shape[1]]
        cells.index_add_(0, place, rows.double())


def clusters(segment: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """[U] the cluster of each user and [M] the segment of each cluster: each user alone, or, where that would be more
    than `most`, users of one segment together, as many segment by segment.
    """
    users, kinds = len(segment), int(segment.max()) + 1
    number = torch.arange(users, device=segment.device)
    if users <= most:
        return number, segment
    each = max(2, most // kinds)
    return segment * each + number % each, torch.arange(kinds, device=segment.device).repeat_interleave(each)


def price_thirds(catalog: Catalog) -> Tensor:
    """[P] 0, 1 or 2: the third of the catalog's prices that each product is in; equal prices are in the same."""
    prices = np.array([product.price for product in catalog.products])
    return torch.from_numpy(np.searchsorted(np.quantile(prices, [1 / 3, 2 / 3]), prices, side="left"))
