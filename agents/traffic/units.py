"""What a minimum exposure is for, and the largest that can be met."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ...simulation.data.errors import InputError

if TYPE_CHECKING:
    from ...simulation.data.catalog import Catalog

Of = Literal["product", "category", "brand"]
Within = Literal["everyone", "segment", "channel"]


def largest_minimum(counts: Sequence[int], attention: Sequence[float]) -> float:
    """The largest share that all units can have at once.

    A slate repeats no creative, so units with n creatives between them cannot have more than the n best slots. Shares
    are possible if no set of units asks for more than that, and the set that has fewest creatives asks first: the least
    over s of what the s smallest units can have, divided by s (the polymatroid of slots; Edmonds, 1970).

    Args:
        counts: creatives of each unit, 1 or more.
        attention: of each slot.
    """
    best = sorted(attention, reverse=True)
    room, least = 0, 1.0
    for units, count in enumerate(sorted(counts), 1):
        room += count
        least = min(least, sum(best[:room]) / sum(best) / units)
    return least


@dataclass(frozen=True)
class Units:
    """What a minimum is for: each product, category or brand."""

    of: Of
    known: Mapping[str, str]
    """By product: its unit."""

    @staticmethod
    def in_catalog(catalog: "Catalog", of: Of) -> "Units":
        """Of a catalog's products; those without a brand are brands of their own."""
        names = {
            "product": lambda product: product.product_id,
            "category": lambda product: product.category,
            "brand": lambda product: product.brand or product.product_id,
        }
        return Units(of, {product.product_id: names[of](product) for product in catalog.products})

    def name(self, product: str) -> str:
        """The unit of a product; one that is not known is a unit of its own."""
        return self.known.get(product, product)

    def check(self, minimum: float, products: Sequence[str], attention: Sequence[Sequence[float]]) -> None:
        """Refuses a minimum that cannot be met.

        Args:
            minimum: share of every unit.
            products: of each creative to choose from.
            attention: of each channel's slots.

        Raises:
            InputError: naming the largest that can.
        """
        names = [self.name(product) for product in products]
        counts = [names.count(name) for name in dict.fromkeys(names)]
        most = min(largest_minimum(counts, slots) for slots in attention)
        if minimum > most * (1 + 1e-9):
            kinds = {"product": "products", "category": "categories", "brand": "brands"}[self.of]
            # Rounded down: what is said to be possible is.
            raise InputError(
                f"--min-exposure {minimum:g}: {len(counts)} {kinds} cannot all have that share; the largest they can "
                f"is {int(most * 1e4) / 1e4:g}"
            )
