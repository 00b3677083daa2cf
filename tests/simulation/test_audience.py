from dataclasses import replace

import pytest
import torch
from copybandit.simulation.visitors.audience import generate_audience

CATEGORIES = ("kitchen", "outdoor")


@pytest.fixture(scope="module")
def crowd(tiny_scenario):
    return generate_audience(tiny_scenario, CATEGORIES, 20_000, torch.Generator().manual_seed(0))


def test_shares_and_means_are_the_scenarios(crowd):
    savers = crowd.segment == 0
    assert crowd.segments == ("savers", "makers")
    assert savers.float().mean().item() == pytest.approx(0.5, abs=0.015)
    # Appeals in order: value, quality, urgency. Spread 0.4 over 10,000 users: three standard errors are 0.012.
    torch.testing.assert_close(crowd.tastes[savers].mean(0), torch.tensor([1.2, 0.0, 0.4]), atol=0.015, rtol=0)
    torch.testing.assert_close(crowd.tastes[~savers].mean(0), torch.tensor([0.0, 1.2, -0.4]), atol=0.015, rtol=0)
    torch.testing.assert_close(crowd.interest[savers].mean(0), torch.tensor([0.5, 0.0]), atol=0.03, rtol=0)
    assert crowd.price_sensitivity[savers].mean().item() == pytest.approx(0.8, abs=0.01)
    assert crowd.price_sensitivity.std().item() > 0.3


def test_what_is_observed_follows_what_is_latent(crowd):
    assert (crowd.purchases <= crowd.browsing).all()
    assert (crowd.purchases.sum() / crowd.browsing.sum()).item() == pytest.approx(0.1, abs=0.005)
    # Page views are Poisson with mean 3 e^interest.
    assert (crowd.browsing.mean() / (3 * crowd.interest.exp()).mean()).item() == pytest.approx(1.0, abs=0.03)
    assert (crowd.activity > 0).all()


def test_the_same_users_on_every_device(tiny_scenario, device):
    one, two = (generate_audience(tiny_scenario, CATEGORIES, 50, torch.Generator().manual_seed(7)) for _ in range(2))
    moved = two.to(device)
    assert moved.tastes.device.type == device
    assert len(moved) == 50
    assert torch.equal(one.tastes, moved.tastes.cpu())
    other = generate_audience(tiny_scenario, CATEGORIES, 50, torch.Generator().manual_seed(8))
    assert not torch.equal(one.tastes, other.tastes)


def _some(audience, rows):
    return replace(audience, **{name: v[rows] for name, v in vars(audience).items() if isinstance(v, torch.Tensor)})


def test_users_in_no_order_are_the_same_users(crowd):
    """By hand: segments 1, 0, 1 and activities .5, 2, .1 stand as the second, the third and the first user."""
    few = replace(
        _some(crowd, torch.arange(3)),
        segment=torch.tensor([1, 0, 1]),
        activity=torch.tensor([0.5, 2.0, 0.1]),
    )
    found, order = few.in_no_order(), torch.tensor([1, 2, 0])
    assert found.activity.tolist() == pytest.approx([2.0, 0.1, 0.5])
    assert torch.equal(found.tastes, few.tastes[order]) and torch.equal(found.interest, few.interest[order])
    shuffled = _some(few, torch.tensor([2, 0, 1])).in_no_order()
    assert torch.equal(shuffled.tastes, found.tastes), "the order in which they came shows"
