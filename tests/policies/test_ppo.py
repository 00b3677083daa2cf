import dataclasses

import pytest
import torch
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.reward.reward import Rewards
from copybandit.policies.tuning.ppo import AdaptiveKL, Ppo, PpoConfig
from copybandit.policies.tuning.prompt_order import PromptOrder
from copybandit.policies.tuning.reward_adapter import centred
from copybandit.policies.writer.writer import WriterConfig, make_writer, own_weights
from copybandit.simulation.data.errors import InputError

SMALL = WriterConfig(layers=1, width=32, heads=2, vocabulary=400, max_new_tokens=8)
CONFIG = PpoConfig(
    updates=12, batch=32, group=4, epochs=2, mini_batches=2, learning_rate=3e-3, kl_start=0.03, kl_target=20.0
)


def short_is_good(creatives, group):
    """A reward that anyone can raise: minus the number of characters."""
    assert len(creatives) == len(group)
    total = torch.tensor([-0.05 * len(creative.text) for creative in creatives])
    return Rewards(total, {"failures": torch.zeros_like(total)}, {"ctr": total})


@pytest.fixture(scope="module")
def trained_briefly(tmp_path_factory):
    from copybandit.simulation.scenario import load_scenario

    _, catalog = load_scenario(__file__.replace("policies/test_ppo.py", "data/tiny.yaml"))
    writer = make_writer(catalog, SMALL, seed=0)
    warm_start(writer, catalog, ["savers"], WarmStartConfig(lines=400, batch=8, learning_rate=3e-3), seed=0)
    path = tmp_path_factory.mktemp("writer")
    writer.save(path)
    return catalog, path


def tuned(started, config=CONFIG, seed=0, **options):
    catalog, path = started
    writer = make_writer(catalog, SMALL, seed=0, model=str(path))
    asked = [(product, "savers") for product in catalog.products]
    return writer, Ppo(config).tune(writer, asked, short_is_good, seed=seed, **options)


def test_reward_rises_and_kl_is_counted(trained_briefly):
    updates = tuned(trained_briefly)[1].updates
    rewards = [update.metrics["reward"] for update in updates]
    assert [update.step for update in updates] == list(range(1, 13))
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 0.3
    assert abs(updates[0].metrics["kl"]) < 0.5 < updates[-1].metrics["kl"]
    assert {"raw/failures", "weighted/ctr", "kl_coefficient"} <= updates[0].metrics.keys()


def test_beyond_the_cap_nothing_is_learned(trained_briefly):
    seen = []
    config = dataclasses.replace(CONFIG, kl_target=0.01, kl_cap=0.2)
    writer, found = tuned(trained_briefly, config, on_update=lambda update: seen.append(update.snapshot()))
    assert "cap" in found.stopped
    assert 0 < len(found.updates) < 12
    assert all(torch.equal(own_weights(writer)[name], weight) for name, weight in seen[-1].part("policy").items())


def test_prompts_come_round_in_an_order_that_needs_no_memory():
    order = PromptOrder(prompts=6, batch=4, seed=3)
    asked = [i for number in range(3) for i in order(number)]
    assert sorted(asked[:6]) == sorted(asked[6:]) == list(range(6))
    assert asked[:6] != asked[6:]
    assert order(1) == asked[4:8]


def test_rewards_are_centred_on_their_prompt():
    total, group = torch.tensor([1.0, 3.0, 10.0, 5.0, 7.0]), torch.tensor([0, 0, 9, 4, 4])
    assert centred(total, group).tolist() == [-1.0, 1.0, 10.0, -1.0, 1.0]


def test_adaptive_kl_by_hand():
    control = AdaptiveKL(coefficient=0.1, target=10.0, least=0.1, gain=0.2)
    assert control.update(10.0) == pytest.approx(0.1)
    assert control.update(12.0) == pytest.approx(0.1 * 1.04)
    assert control.update(1000.0) == pytest.approx(0.1 * 1.04 * 1.1)  # error clipped at 0.5
    assert control.update(0.0) == pytest.approx(0.1 * 1.04 * 1.1 * 0.9)
    assert control.update(0.0) == pytest.approx(0.1)  # never below where it started


@pytest.mark.parametrize("wrong", [{"batch": 30}, {"kl_target": 0.0}, {"mini_batches": 5}, {"learning_rate": 0.0}])
def test_settings_that_cannot_work(wrong):
    with pytest.raises(InputError):
        dataclasses.replace(CONFIG, **wrong)
