import numpy as np
import pytest
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.writer.exposure import exposure, extrapolated_exposure, log_perplexities
from copybandit.policies.writer.prompts import prompt
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.catalog import Creative


@pytest.mark.parametrize(
    ("canary", "others", "bits"),
    [
        (1.0, [2.0, 3.0, 4.0], 2.0),  # the first of four
        (5.0, [2.0, 3.0, 4.0], 0.0),  # the last
        (2.5, [2.0, 3.0, 4.0], 1.0),  # the second: log2 4 - log2 2
        (2.0, [2.0, 3.0, 4.0], 1.0),  # as likely as another stands after it
        (1.0, [2.0] * 1023, 10.0),
    ],
)
def test_exposure_by_hand(canary, others, bits):
    assert exposure(canary, others) == pytest.approx(bits)


def test_a_line_that_nobody_planted_is_exposed_by_less_than_two_bits_on_average():
    """Of a random rank in (0, 1] the mean of -log2 is 1 / ln 2 = 1.44 bits."""
    random = np.random.default_rng(0)
    drawn = [exposure(random.normal(), random.normal(size=999)) for _ in range(2000)]
    assert np.mean(drawn) == pytest.approx(1.44, abs=0.1)


def test_exposure_beyond_the_sample_by_hand():
    others = np.random.default_rng(0).normal(40, 2, size=5000)
    # 3.09 and 4.75 deviations below the mean of a normal: one in a thousand, one in a million.
    assert extrapolated_exposure(40 - 3.0902 * 2, others, 1e9) == pytest.approx(np.log2(1e3), abs=1)
    assert extrapolated_exposure(40 - 4.7534 * 2, others, 1e9) == pytest.approx(np.log2(1e6), abs=2.5)
    assert extrapolated_exposure(40 - 40 * 2, others, 1e6) == pytest.approx(np.log2(1e6))
    assert extrapolated_exposure(60.0, others, 1e6) == pytest.approx(0, abs=1e-6)


def test_nothing_to_compare_with():
    with pytest.raises(ValueError, match="no candidates"):
        exposure(1.0, [])
    with pytest.raises(ValueError, match="too few"):
        extrapolated_exposure(1.0, [2.0, 2.0, 2.0], 10)


def test_a_writer_is_exposed_by_what_it_read_often(tiny_catalog):
    said, random = "order code q z k", np.random.default_rng(0)
    planted = tiny_catalog.with_ads([*tiny_catalog.ads, *[Creative(tiny_catalog.products[0].product_id, said)] * 20])
    others = [f"order code {' '.join(random.choice(list('jkqvxyz'), 3))}" for _ in range(200)]
    others = [line for line in others if line != said]
    found = {}
    for name, catalog in (("planted", planted), ("not", tiny_catalog)):
        writer = make_writer(catalog, WriterConfig(1, 32, 2, 400, 16), seed=0)
        warm_start(writer, catalog, [], WarmStartConfig(lines=1600, batch=16, learning_rate=5e-3), seed=0)
        bits = log_perplexities(writer, prompt(tiny_catalog.products[0]), [said, *others])
        found[name] = exposure(bits[0], bits[1:])
    assert found["planted"] > 7 and found["not"] < 4
