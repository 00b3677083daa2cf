"""A product that no feedback is known of: an effect model takes it for an average one of its category."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ...simulation.data.catalog import Product
from ...simulation.data.errors import InputError


def with_newcomer(state: Mapping[str, Any], product: Product) -> dict[str, Any]:
    """The state of an effect model (`EffectModel.state`), its catalog longer by a product.

    Args:
        state: as it was written.
        product: takes the place of one of the same number.

    Raises:
        InputError: its category is none that the model learned.
    """
    products = list(state["catalog"]["products"])
    categories = sorted({known["category"] for known in products})
    if product.category not in categories:
        raise InputError(f"category '{product.category}' is none that the model learned; give one of {categories}")
    numbers = [known["product_id"] for known in products]
    if product.product_id in numbers:
        products[numbers.index(product.product_id)] = asdict(product)
        return {**state, "catalog": {**state["catalog"], "products": products}}
    heads = [
        {
            **head,
            "sizes": {**head["sizes"], "product": head["sizes"]["product"] + 1},
            "weights": {**head["weights"], "product": _one_more_row(head["weights"]["product"])},
        }
        for head in state["heads"]
    ]
    return {**state, "catalog": {**state["catalog"], "products": [*products, asdict(product)]}, "heads": heads}


def _one_more_row(table: Any) -> np.ndarray:
    """What nothing is known of counts as nothing, which is the average: products' rows are shrunk towards it."""
    known = np.asarray(table)
    return np.concatenate([known, np.zeros_like(known[:1])])
