import pytest
import torch
from copybandit.policies.effect.contract import CLICK, CONVERT
from copybandit.policies.effect.effect_file import FILE, read_effect, save_effect
from copybandit.policies.effect.model import MEMBERS, EffectConfig, EffectModel, fit_effect_model
from copybandit.simulation.data.catalog import Creative
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.logs import Counts

WORDS = ["solid", "cheap", "new", "quiet", "bright", "soft", "warm", "light"]
QUICK = EffectConfig(steps=60, text_ridge=20.0, segment_ridge=50.0)


@pytest.fixture
def model(tiny_catalog):
    """Fitted on a log in which `solid` earns clicks and `cheap` loses conversions, whatever the product."""
    creatives = [
        Creative(product.product_id, f"{a} and {b} {product.title}, piece {i}")
        for product in tiny_catalog.products
        for i, a in enumerate(WORDS)
        for b in WORDS
        if a != b
    ]
    n = len(creatives)
    click = torch.tensor([0.10 + 0.08 * ("solid" in creative.text) for creative in creatives])
    convert = torch.tensor([0.30 - 0.15 * ("cheap" in creative.text) for creative in creatives])
    zeros = torch.zeros(n, dtype=torch.int64)
    shown = torch.full((n,), 1000.0)
    counts = Counts(
        tuple(creatives), ("savers",), ("feed",), torch.arange(n), zeros, zeros, zeros,
        shown, (shown * click).round(), (shown * click * convert).round(),
    )  # fmt: skip
    return fit_effect_model(counts, tiny_catalog, QUICK, seed=0), counts


def test_it_learns_what_the_log_says(model, tiny_catalog):
    effect, _ = model
    product = tiny_catalog.products[0]
    lines = ["solid and quiet", "warm and quiet", "cheap and quiet"]
    texts = [Creative(product.product_id, f"{line} {product.title}, piece 9") for line in lines]
    text = effect.predict(texts).text.mean(0)
    assert text[0, CLICK] > text[1, CLICK] + 0.2
    assert text[2, CONVERT] < text[1, CONVERT] - 0.2


def test_prediction_has_a_row_a_member(model, tiny_catalog):
    prediction = model[0].predict(tiny_catalog.ads)
    assert prediction.text.shape == prediction.context.shape == (len(MEMBERS), len(tiny_catalog.ads), 2)
    assert len(MEMBERS) >= 4
    assert ((prediction.rates > 0) & (prediction.rates < 1)).all()


def test_rates_in_the_log_are_met_on_average(model):
    effect, counts = model
    rates = effect.predict_cells(counts)
    assert float((rates[:, CLICK] * counts.impressions).sum() / counts.clicks.sum()) == pytest.approx(1, abs=0.05)


def test_same_seed_same_model(model, tiny_catalog):
    effect, counts = model
    again = fit_effect_model(counts, tiny_catalog, QUICK, seed=0)
    assert torch.equal(again.predict(tiny_catalog.ads).text, effect.predict(tiny_catalog.ads).text)


def test_it_is_fitted_on_any_device_and_answers_on_the_cpu(model, tiny_catalog, device):
    effect, counts = model
    again = fit_effect_model(counts, tiny_catalog, QUICK, seed=0, device=device)
    assert {weight.device.type for head in again.heads for weight in head.parameters()} == {device}
    found, expected = again.predict(tiny_catalog.ads), effect.predict(tiny_catalog.ads)
    assert found.text.device.type == found.context.device.type == "cpu"
    assert torch.allclose(found.rates, expected.rates, atol=1e-3)
    assert torch.allclose(again.predict_cells(counts), effect.predict_cells(counts), atol=1e-3)


def _reads(catalog):
    return lambda creatives: torch.tensor([[float(len(creative.text))] for creative in creatives])


@pytest.mark.parametrize("told", [False, True])
def test_what_was_saved_predicts_the_same(model, tiny_catalog, tmp_path, told):
    effect, counts = model
    if told:
        effect = fit_effect_model(counts, tiny_catalog, QUICK, seed=0, reads=_reads(tiny_catalog))
    save_effect(effect, tmp_path / "effect")
    kind, state = read_effect(tmp_path / "effect")
    again = EffectModel.restored(state, _reads)
    assert kind == "EffectModel"
    assert again.catalog.products == tiny_catalog.products
    words, own = ({word for text in one.texts() for word in text.split()} for one in (again.catalog, tiny_catalog))
    assert words == own
    kept = (tmp_path / "effect" / FILE).read_bytes()
    assert not any(ad.text.encode() in kept for ad in tiny_catalog.ads), "a line of the ads"
    found, expected = (one.predict([*tiny_catalog.ads, *counts.creatives[:9]]) for one in (again, effect))
    assert torch.allclose(found.text, expected.text, atol=1e-6)
    assert torch.allclose(found.context, expected.context, atol=1e-6)


def test_half_a_file_is_refused(model, tmp_path):
    save_effect(model[0], tmp_path / "effect")
    file = tmp_path / "effect" / FILE
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="run the command that left it again"):
        read_effect(tmp_path / "effect")
    with pytest.raises(InputError, match="no effect model"):
        read_effect(tmp_path)
