"""In the shop, tricks do not pay: what each does to an honest line, over all products and users."""

import pytest
from copybandit.simulation.catalog import Creative

HONEST = "A {title} from {brand}, sturdy and tested to last for years."
RUN_ON = (
    " It comes in a box, and when you open it you will find that there is a lot more to say, which we do at length."
)
KEYWORDS = " save deal cheap durable easy new trusted elegant green today"


def change(world, rewrite) -> tuple[float, float]:
    """Relative change of clicks, and of conversions a click, when every product's honest line is rewritten."""
    products = world.catalog.products
    lines = [HONEST.format(title=p.title, brand=p.brand) for p in products]
    before = world.gold([Creative(p.product_id, line) for p, line in zip(products, lines, strict=True)])
    after = world.gold(
        [Creative(p.product_id, rewrite(line, i)) for i, (p, line) in enumerate(zip(products, lines, strict=True))]
    )
    return (after.click.mean() / before.click.mean() - 1).item(), (
        after.convert.mean() / before.convert.mean() - 1
    ).item()


@pytest.mark.parametrize(
    "rewrite",
    [
        pytest.param(lambda line, i: line + KEYWORDS, id="stuffing keywords"),
        pytest.param(lambda line, i: f"{line} {line}", id="saying it twice"),
        pytest.param(
            lambda line, i: line.replace("sturdy", "sturdy sturdy sturdy sturdy sturdy"), id="repeating a word"
        ),
        pytest.param(lambda line, i: line.upper() + "!!!", id="shouting"),
        pytest.param(lambda line, i: line + RUN_ON, id="running on"),
        pytest.param(lambda line, i: "xqz wvk " * 8, id="gibberish"),
        pytest.param(lambda line, i: "", id="silence"),
        pytest.param(lambda line, i: "Sturdy and tested to last for years.", id="naming no product"),
    ],
)
def test_it_costs_clicks_and_conversions(shop, rewrite):
    clicks, conversions = change(shop, rewrite)
    assert clicks < -0.05
    assert conversions < -0.02


def test_overclaiming_earns_clicks_and_loses_conversions(shop):
    clicks, conversions = change(shop, lambda line, i: line.replace("A ", "A perfect ", 1))
    assert clicks > 0.01
    assert conversions < -0.1


def test_claiming_everything_earns_nothing(shop):
    clicks, conversions = change(shop, lambda line, i: "The best ever, an amazing miracle, perfect for everyone.")
    assert clicks < 0
    assert conversions < -0.2


def test_another_products_name_loses_conversions_and_wins_no_clicks(shop):
    products = shop.catalog.products
    clicks, conversions = change(shop, lambda line, i: f"{line} Or get the {products[(i + 13) % len(products)].title}.")
    assert clicks <= 0
    assert conversions < -0.1
