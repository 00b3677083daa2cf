"""Texts of both writers side by side: which are shown, and what tuning gained over all of them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..drawing.sections import Pair

SHOWN = 12
"""Pairs of texts that a report shows."""


def gallery(creatives: pd.DataFrame, pictures: Mapping[str, str], size: int = SHOWN) -> list[Pair]:
    """The texts of `shown_texts`, as the report shows them; `pictures` are data URIs by image."""

    def card(row: pd.Series) -> dict[str, Any]:
        return row.to_dict() | {"picture": pictures.get(str(row.get("image", "")), "")}

    return [
        Pair(str(untuned.get("title", untuned.product_id)), str(untuned.audience), card(untuned), card(tuned))
        for untuned, tuned in (
            (creatives.loc[first], creatives.loc[second]) for first, second in shown_texts(creatives, size)
        )
    ]


def shown_texts(creatives: pd.DataFrame, size: int = SHOWN) -> list[tuple[int, int]]:
    """Products evenly spread over the catalog's order, the audiences in turn, and of each prompt the first text.

    The rule looks at no text and no figure, so that nobody can be flattered by it.

    Args:
        creatives: with `writer`, `product_id`, `audience`.
        size: most pairs.

    Returns:
        Pairs of labels of the index: the untuned writer's text and the tuned one's for the same prompt.
    """
    first = creatives.drop_duplicates(["writer", "product_id", "audience"])
    row = {
        writer: dict(zip(zip(part.product_id, part.audience, strict=True), part.index, strict=True))
        for writer, part in first.groupby("writer")
    }
    if not {"untuned", "tuned"} <= row.keys():
        return []
    prompts = [prompt for prompt in row["untuned"] if prompt in row["tuned"]]
    products = list(dict.fromkeys(product for product, _ in prompts))
    pairs = []
    for i in range(min(size, len(products))):
        product = products[i * len(products) // min(size, len(products))]
        of_product = [prompt for prompt in prompts if prompt[0] == product]
        prompt = of_product[i % len(of_product)]
        pairs.append((row["untuned"][prompt], row["tuned"][prompt]))
    return pairs


def prompts_won(creatives: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Shares of prompts whose gold rates tuning raised and lowered, by the mean of a prompt's texts.

    Returns:
        For `ctr` and `cvr`: the share raised, the share lowered.
    """
    means = creatives.groupby(["product_id", "audience", "writer"])[["gold_ctr", "gold_cvr"]].mean().unstack("writer")
    change = {name: means[f"gold_{name}", "tuned"] - means[f"gold_{name}", "untuned"] for name in ("ctr", "cvr")}
    return {name: (float((values > 0).mean()), float((values < 0).mean())) for name, values in change.items()}


def mean_gains(creatives: pd.DataFrame, by: str | None = None) -> pd.DataFrame:
    """Relative gain of the tuned over the untuned writer's mean rates, over all texts or by a column.

    Returns:
        Columns proxy_ctr, proxy_cvr, gold_ctr, gold_cvr; one row for each value of `by`, or one row.
    """
    rates = ["proxy_ctr", "proxy_cvr", "gold_ctr", "gold_cvr"]
    key = creatives[by] if by else pd.Series("all", index=creatives.index)
    means = creatives.groupby([creatives["writer"], key], sort=False)[rates].mean()
    return means.loc["tuned"] / means.loc["untuned"] - 1
