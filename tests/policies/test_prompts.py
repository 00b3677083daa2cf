"""What a prompt says of an attribute."""

import pytest
from copybandit.policies.writer.prompts import detail, prompt
from copybandit.simulation.data.catalog import Product


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("bowl", "5 quart", "5 quart bowl"),
        ("handle", "walnut", "walnut handle"),
        ("battery", "9 days", "9 day battery"),
        ("length", "8 inch", "8 inch"),
        ("length", "midi", "midi length"),
        ("height", "60 to 145 cm", "60 to 145 cm"),
        ("material", "cast iron", "cast iron"),
        ("holes", "12 holes", "12 holes"),
        ("scent", "unscented", "unscented"),
        ("fibre", "merino and nylon", "merino and nylon fibre"),
        ("delivery", "in 3 days", "in 3 days"),
        ("dose", "1 drop a day", "1 drop a day"),
        ("buttons", "6", "6 buttons"),
        ("players", "2-5", "2-5 players"),
        ("age", "3+", "ages 3 and up"),
        ("age", "2-5", "ages 2 to 5"),
        ("age", "24 months", "24 months"),
        ("tripod", "included", "tripod included"),
        ("gluten", "free", "gluten free"),
        ("packable", "yes", "packable"),
        ("added_sugar", "none", "no added sugar"),
        ("", "kind to hands", "kind to hands"),
        ("season", "3", ""),
        ("seats", "1", ""),
        ("lights", "no", ""),
        ("manche", "hêtre", "hêtre"),
        ("重量", "500", "重量 500"),
    ],
)
def test_an_attribute_is_worded_as_copy_can_say_it(name: str, value: str, said: str) -> None:
    assert detail(name, value) == said


def test_a_prompt_shows_the_first_attributes_that_say_what_the_title_does_not() -> None:
    told = (("material", "linen"), ("season", "3"), ("fit", "relaxed"), ("care", "hand wash"), ("pockets", "2"))
    product = Product("p", "Linen dress", "fashion", 80.0, "Velmora | Sons", "", told)
    assert prompt(product) == "Linen dress | Velmora / Sons | relaxed fit, hand wash | everyone =>"
    assert (
        prompt(product, "students", 3)
        == "Linen dress | Velmora / Sons | relaxed fit, hand wash, 2 pockets | students =>"
    )
    assert prompt(Product("p", "A => B", "c", 1.0)) == "A -> B | - | - | everyone =>"
