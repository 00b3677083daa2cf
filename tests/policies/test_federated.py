"""Secure sums, and federated averaging over silos that keep their rows."""

import numpy as np
import pytest
import torch
from copybandit.policies.effect.federated import Schedule, Server, fit_federated_effect_model
from copybandit.policies.effect.model import EffectConfig
from copybandit.policies.effect.secure_sum import decoded, encoded, mask, masked, summed
from copybandit.simulation.user_log import log_users_uniform

CONFIG = EffectConfig(text_ridge=20.0, segment_ridge=50.0)


def test_fixed_point_by_hand():
    """With one digit after the point 1.5 is 3, and -0.5 is -1, which is 2^64 - 1."""
    found = encoded(np.array([1.5, -0.5]), bits=1)
    assert found.tolist() == [3, 2**64 - 1]
    assert decoded(found, bits=1).tolist() == [1.5, -0.5]


@pytest.mark.parametrize("value", [np.nan, np.inf, 2.0**24])
def test_what_could_wrap_round_is_refused(value):
    with pytest.raises(ValueError, match="cannot be summed safely"):
        encoded(np.array([0.0, value]))


def test_masks_cancel_and_hide():
    """Three silos with 1, 2 and -4: the server sees numbers of no meaning, which sum to -1."""
    pairs = {(0, 1): b"first", (0, 2): b"second", (1, 2): b"third"}
    of = [{b if a == i else a: s for (a, b), s in pairs.items() if i in (a, b)} for i in range(3)]
    sent = [masked(encoded(np.array([v])), i, of[i], turn=7) for i, v in enumerate((1.0, 2.0, -4.0))]
    assert decoded(summed(sent)).tolist() == [-1.0]
    expected = (encoded(np.array([1.0])) + mask(b"first", 7, 1) + mask(b"second", 7, 1)).tolist()
    assert sent[0].tolist() == expected
    assert all(abs(decoded(each)[0]) > 1000 for each in sent)
    assert abs(decoded(summed(sent[:2]))[0] - 3) > 1  # one that stays away leaves no sum


def test_masks_are_even_and_new_at_every_turn():
    first, second = mask(b"secret", 0, 4000), mask(b"secret", 1, 4000)
    assert (first != second).all()
    assert np.array_equal(first, mask(b"secret", 0, 4000))
    assert float((first >> np.uint64(63)).mean()) == pytest.approx(0.5, abs=0.03)


def test_a_server_sums_what_it_cannot_see():
    server = Server(3)
    parts = [torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, -1.0]]), torch.tensor([[-3.0, 0.25]])]
    assert torch.equal(server.total(parts), torch.tensor([[-1.5, 1.25]]).double())
    assert server.bytes_sent == 3 * 2 * 8


@pytest.fixture
def log(make_tiny_world):
    world = make_tiny_world(users=30)
    return log_users_uniform(world, world.catalog.ads, 1500, torch.Generator().manual_seed(0))


def weights(effect):
    return torch.cat([value.flatten() for head in effect.heads for value in head.state_dict().values()])


@pytest.mark.parametrize("split", ["users", "channels"])
def test_silos_that_send_every_step_learn_what_all_rows_together_do(log, tiny_catalog, split):
    """However the rows are spread: even where a silo has but one channel."""
    number = log.user % 3 if split == "users" else log.place // log.slots
    silos = [log.counts(number == i) for i in range(int(number.max()) + 1)]
    pooled, once = fit_federated_effect_model([log.counts()], tiny_catalog, CONFIG, slots=log.slots)
    apart, all_of_them = fit_federated_effect_model(silos, tiny_catalog, CONFIG, slots=log.slots)
    assert torch.allclose(weights(apart), weights(pooled), atol=1e-3)
    assert float(weights(pooled).abs().max()) > 0.1
    assert all_of_them == len(silos) * once


def test_one_silo_gains_nothing_by_sending_often(log, tiny_catalog):
    """Twenty steps are twenty steps: sent one by one, or five at a time."""
    often, seldom = (
        fit_federated_effect_model([log.counts()], tiny_catalog, CONFIG, schedule, slots=log.slots)
        for schedule in (Schedule(20, 1), Schedule(4, 5))
    )
    assert torch.allclose(weights(often[0]), weights(seldom[0]), atol=1e-3)
    assert seldom[1] < often[1] / 4
