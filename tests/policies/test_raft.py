"""The writer learns from the best of what it wrote."""

import dataclasses

import pytest
import torch
from copybandit.policies.reward.candidates import Candidates
from copybandit.policies.reward.reward import Rewards
from copybandit.policies.tuning.raft import RaftConfig, tune
from copybandit.policies.writer.warm_start import WarmStartConfig, warm_start
from copybandit.policies.writer.writer import WriterConfig, load_weights, make_writer, own_weights
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.scenario import load_scenario
from copybandit.simulation.text.encoder import TextEncoder

SMALL = WriterConfig(layers=1, width=32, heads=2, vocabulary=400, max_new_tokens=8)
CONFIG = RaftConfig(updates=2, texts=12, kept=1, passes=6, batch=4, learning_rate=3e-3, diversity=0.5)


class ShortIsGood:
    """A reward that anyone can raise: minus the number of characters."""

    def __call__(self, creatives, group):
        total = torch.tensor([-0.05 * len(creative.text) for creative in creatives])
        zero = torch.zeros_like(total)
        return Rewards(total, {"failures": zero}, {"ctr": total, "diversity": zero})

    def encode(self, creatives):
        return TextEncoder(dim=64, seed=0).encode([creative.text for creative in creatives])


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    _, catalog = load_scenario(__file__.replace("policies/test_raft.py", "data/tiny.yaml"))
    writer = make_writer(catalog, SMALL, seed=0)
    warm_start(writer, catalog, ["savers"], WarmStartConfig(lines=400, batch=8, learning_rate=3e-3), seed=0)
    return catalog, writer, own_weights(writer)


def tuned(started, config=CONFIG, seed=0, **options):
    catalog, writer, weights = started
    load_weights(writer, weights)
    asked = [(product, "savers") for product in catalog.products]
    candidates = options.pop("candidates", Candidates(ShortIsGood(), asked))
    return writer, tune(writer, asked, candidates, config, seed=seed, **options), candidates


def test_what_it_writes_earns_more_after_each_round(started):
    _, found, candidates = tuned(started, dataclasses.replace(CONFIG, updates=3))
    rewards = [float(part.mean()) for part in candidates.quality.chunk(3)]
    assert [update.step for update in found.updates] == [1, 2, 3]
    assert rewards[0] < rewards[1] < rewards[2]
    assert [update.metrics["reward"] for update in found.updates] == pytest.approx(rewards, rel=1e-5)
    assert all(update.kl > 0.1 for update in found.updates)
    assert len(candidates) == 3 * 12 * len(set(candidates.group.tolist()))


def test_same_seed_same_weights_and_the_globals_stay(started):
    state = torch.get_rng_state()
    prints = [tuned(started, seed=seed)[0].fingerprint() for seed in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_a_session_that_was_broken_off_goes_on_as_if_it_was_not(started):
    saved = []

    def keep(update):
        saved.append((update.snapshot(), dict(candidates.state())))

    candidates = Candidates(ShortIsGood(), [(product, "savers") for product in started[0].products])
    whole = tuned(started, on_update=keep, candidates=candidates)[0].fingerprint()
    state, scored = saved[0]
    again = Candidates(ShortIsGood(), candidates._asked)
    again.restore(scored)
    writer, found, _ = tuned(started, resumed=state, candidates=again)
    assert writer.fingerprint() == whole
    assert [update.step for update in found.updates] == [2]
    assert again.texts == candidates.texts


def test_the_caller_can_end_it(started):
    _, found, _ = tuned(started, on_update=lambda update: "enough")
    assert found.stopped == "enough" and len(found.updates) == 1


@pytest.mark.parametrize("wrong", [{"updates": 0}, {"texts": 1, "kept": 2}, {"passes": 0}])
def test_settings_that_learn_nothing_are_refused(wrong):
    with pytest.raises(InputError, match="must be 1 or more"):
        RaftConfig(**wrong)
