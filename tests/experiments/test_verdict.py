import numpy as np
import pytest
import torch
from copybandit.experiments.writing.verdict import Verdict, judge, lifts
from copybandit.simulation.data.catalog import Creative


def test_a_creative_is_judged_by_the_users_it_is_written_for(tiny_world, tiny_catalog):
    ads = [Creative(ad.product_id, ad.text, "savers") for ad in tiny_catalog.ads[:3]]
    verdict = judge(tiny_world, ads)
    mine = tiny_world.audience.segment == tiny_world.audience.segments.index("savers")
    weight = tiny_world.audience.activity[mine]
    rates = tiny_world.gold(ads)
    clicks = (weight[:, None] * rates.click[mine]).sum(0)
    sales = (weight[:, None] * rates.click[mine] * rates.convert[mine]).sum(0)
    np.testing.assert_allclose(verdict.ctr, (clicks / weight.sum()).numpy(), rtol=1e-5)
    np.testing.assert_allclose(verdict.cvr, (sales / clicks).numpy(), rtol=1e-5)
    assert verdict.cells[~mine.numpy()].sum() == 0
    products = sorted({ad.product_id for ad in ads})
    for place, product in enumerate(products):
        about = torch.tensor([ad.product_id == product for ad in ads])
        expected = (weight[:, None] * rates.click[mine])[:, about].sum()
        assert verdict.cells[:, place, 0].sum() == pytest.approx(expected.item(), rel=1e-5)


def test_written_for_everyone_is_judged_by_everyone(tiny_world, tiny_catalog):
    verdict = judge(tiny_world, tiny_catalog.ads[:1])
    assert (verdict.by_user[:, 2] > 0).all()


def test_many_users_are_judged_piece_by_piece(tiny_world, tiny_catalog, monkeypatch):
    whole = judge(tiny_world, tiny_catalog.ads)
    monkeypatch.setattr("copybandit.experiments.writing.verdict.CELLS", 2 * len(tiny_world.audience))
    for name, figures in vars(judge(tiny_world, tiny_catalog.ads)).items():
        np.testing.assert_allclose(figures, vars(whole)[name], rtol=1e-6)


def test_judging_moves_nothing(tiny_world, tiny_catalog):
    before = tiny_world.traffic.hours, len(tiny_world.creatives), tiny_world.responses.get_state()
    judge(tiny_world, tiny_catalog.ads)
    assert (tiny_world.traffic.hours, len(tiny_world.creatives)) == before[:2]
    assert torch.equal(tiny_world.responses.get_state(), before[2])


def test_lift_of_a_writer_over_itself_is_zero(tiny_world, tiny_catalog, rng):
    verdict = judge(tiny_world, tiny_catalog.ads)
    for interval in lifts(verdict.cells, verdict.cells, 10.0, rng).values():
        assert interval == pytest.approx({"mean": 0.0, "low": 0.0, "high": 0.0})


def test_lift_by_hand(tiny_world, tiny_catalog, rng):
    worse, better = judge(tiny_world, tiny_catalog.ads[:1]), judge(tiny_world, tiny_catalog.ads[1:2])
    found = lifts(better.cells, worse.cells, 10.0, rng)
    assert found["ctr"]["mean"] == pytest.approx(better.total_ctr() / worse.total_ctr() - 1)
    assert found["cvr"]["mean"] == pytest.approx(better.total_cvr() / worse.total_cvr() - 1)
    worth = [v.total_ctr() * (1 + 10 * v.total_cvr()) for v in (better, worse)]
    assert found["reward"]["mean"] == pytest.approx(worth[0] / worth[1] - 1)


def test_sums_by_product_by_hand():
    texts = [Creative("b", "x"), Creative("a", "y"), Creative("b", "z")]
    verdict = Verdict(np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.5, 0.1]), np.zeros((1, 1, 3)))
    np.testing.assert_allclose(verdict.by_product(texts), [[0.2, 0.1, 1], [0.4, 0.08, 2]])


def test_doubt_about_the_gold_widens_click_lifts_alone(rng):
    tuned, untuned = np.tile([0.022, 0.0011, 1.0], (50, 1)), np.tile([0.02, 0.001, 1.0], (50, 1))
    found = lifts(tuned, untuned, 10.0, rng, doubt=0.05)
    assert found["ctr"]["mean"] == pytest.approx(0.1)
    # A log-normal around 1.1: 1.1 exp(-+1.96 * 0.05) - 1.
    assert found["ctr"]["low"] == pytest.approx(-0.003, abs=0.01)
    assert found["ctr"]["high"] == pytest.approx(0.213, abs=0.01)
    assert found["cvr"] == pytest.approx({"mean": 0.0, "low": 0.0, "high": 0.0})
