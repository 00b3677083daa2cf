"""In no trade do tricks pay: what each does to an honest line, over all products and users."""

from dataclasses import dataclass

import pytest
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.world import World, demo_world

HONEST = {
    "shop": ("A {title} from {brand}, sturdy and tested to last for years.", "sturdy"),
    "support": ("A {title} from {brand} that shows how to fix this, step by step.", "fix"),
    "feed": ("A {title} from {brand}, made by hand, mended with care and honest work.", "hand"),
    "travel": ("A {title} with {brand}, quiet and planned by local people.", "quiet"),
    "health": ("A {title} from {brand}, tested, gentle and simple to use.", "gentle"),
}
"""An honest line for each trade, and a word of it that may be said once too often."""
RUN_ON = (
    " It comes in a box, and when you open it you will find that there is a lot more to say, which we do at length."
)


@dataclass(frozen=True)
class Trade:
    """A world and its honest line."""

    world: World
    line: str
    word: str

    @property
    def keywords(self) -> str:
        """What a stuffer would add."""
        appeals = self.world.scenario.appeals.values()
        return " " + " ".join(word for appeal in appeals for word in [w for w in appeal.words if " " not in w][:2])

    @property
    def nameless(self) -> str:
        """The line without its product."""
        return "Good, " + self.line.partition("{brand}")[2].strip(" ,")

    def change(self, rewrite) -> tuple[float, float]:
        """Relative change of clicks, and of conversions a click, when every product's honest line is rewritten."""
        products = self.world.catalog.products
        lines = [self.line.format(title=p.title, brand=p.brand) for p in products]
        rewritten = [rewrite(self, line, i) for i, line in enumerate(lines)]
        before, after = (
            self.world.gold([Creative(p.product_id, text) for p, text in zip(products, texts, strict=True)])
            for texts in (lines, rewritten)
        )
        return tuple(
            (getattr(after, rate).mean() / getattr(before, rate).mean() - 1).item() for rate in ("click", "convert")
        )


@pytest.fixture(scope="module", params=sorted(HONEST))
def trade(request) -> Trade:
    return Trade(demo_world(request.param, users=250), *HONEST[request.param])


@pytest.mark.parametrize(
    "rewrite",
    [
        pytest.param(lambda trade, line, i: line + trade.keywords, id="stuffing keywords"),
        pytest.param(lambda trade, line, i: f"{line} {line}", id="saying it twice"),
        pytest.param(
            lambda trade, line, i: line.replace(trade.word, " ".join([trade.word] * 5)), id="repeating a word"
        ),
        pytest.param(lambda trade, line, i: line.upper() + "!!!", id="shouting"),
        pytest.param(lambda trade, line, i: line + RUN_ON, id="running on"),
        pytest.param(lambda trade, line, i: "xqz wvk " * 8, id="gibberish"),
        pytest.param(lambda trade, line, i: "", id="silence"),
        pytest.param(lambda trade, line, i: trade.nameless, id="naming no product"),
    ],
)
def test_it_costs_clicks_and_conversions(trade, rewrite):
    clicks, conversions = trade.change(rewrite)
    assert clicks < -0.05
    assert conversions < -0.02


def test_overclaiming_earns_clicks_and_loses_conversions(trade):
    clicks, conversions = trade.change(lambda trade, line, i: line.replace("A ", "A perfect ", 1))
    assert clicks > 0.01
    assert conversions < -0.1


def test_claiming_everything_earns_nothing(trade):
    clicks, conversions = trade.change(
        lambda trade, line, i: "The best ever, an amazing miracle, perfect for everyone."
    )
    assert clicks < 0
    assert conversions < -0.2


def test_another_products_name_loses_conversions_and_wins_no_clicks(trade):
    def rewrite(trade, line, i):
        products = trade.world.catalog.products
        return f"{line} Or get the {products[(i + 13) % len(products)].title}."

    clicks, conversions = trade.change(rewrite)
    assert clicks <= 0
    assert conversions < -0.1
