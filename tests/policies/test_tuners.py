"""What is asked of every way of tuning, whichever it is."""

import pytest
import torch
from copybandit.policies.learning.adapters import AdapterConfig, adapted
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.reward.reward import Rewards
from copybandit.policies.reward.scored_texts import ScoredTexts
from copybandit.policies.tuning.contract import Update
from copybandit.policies.tuning.ppo import PpoConfig
from copybandit.policies.tuning.raft import RaftConfig
from copybandit.policies.tuning.registry import TunerSettings
from copybandit.policies.tuning.rloo_grpo import GrpoConfig, RlooConfig
from copybandit.policies.tuning.training_state import TuningState
from copybandit.policies.writer.likelihood import kl_between
from copybandit.policies.writer.writer import WriterConfig, load_weights, make_writer, own_weights
from copybandit.simulation.scenario import load_scenario
from copybandit.simulation.text.encoder import TextEncoder

SMALL = WriterConfig(layers=1, width=32, heads=2, vocabulary=400, max_new_tokens=8)
SHARED = {"updates": 4, "batch": 16, "group": 4, "mini_batches": 2, "learning_rate": 3e-3, "kl_start": 0.03}
SETTINGS = TunerSettings(
    raft=RaftConfig(rounds=2, texts=8, kept=1, passes=6, batch=4, learning_rate=3e-3),
    ppo=PpoConfig(**SHARED, epochs=2),
    rloo=RlooConfig(**SHARED, epochs=2),
    grpo=GrpoConfig(**SHARED),
)
LEARN = ("raft", "ppo", "rloo", "grpo")


class ShortIsGood:
    """A reward that anyone can raise: minus the number of characters."""

    def __call__(self, creatives, group):
        assert len(creatives) == len(group)
        total = torch.tensor([-0.05 * len(creative.text) for creative in creatives])
        zero = torch.zeros_like(total)
        return Rewards(total, {"failures": zero, "refused": zero}, {"ctr": total, "diversity": zero})

    def encode(self, creatives):
        return TextEncoder(dim=64, seed=0).encode([creative.text for creative in creatives])


@pytest.fixture(scope="module")
def started():
    _, catalog = load_scenario(__file__.replace("policies/test_tuners.py", "data/tiny.yaml"))
    writer = make_writer(catalog, SMALL, seed=0)
    warm_start(writer, catalog, ["savers"], WarmStartConfig(lines=400, batch=8, learning_rate=3e-3), seed=0)
    return writer, [(product, "savers") for product in catalog.products], own_weights(writer)


def tuned(started, name, seed=0, scored=None, **options):
    writer, asked, weights = started
    load_weights(writer, weights)
    scored = ScoredTexts(ShortIsGood(), asked, keep_diversity=0.5) if scored is None else scored
    return SETTINGS.tuner(name).tune(writer, asked, scored, seed=seed, **options), writer.fingerprint(), scored


@pytest.mark.parametrize("name", LEARN)
def test_it_learns_and_says_what_it_did(started, name):
    writer, asked, weights = started
    tuner = SETTINGS.tuner(name)
    found, _, _ = tuned(started, name)
    assert [update.step for update in found.updates] == list(range(1, tuner.updates + 1))
    assert not found.stopped and all(update.note for update in found.updates if update.metrics)
    assert kl_between(writer, weights, asked, seed=0, n=8) > 0.05
    if tuner.on_policy:
        assert {"reward", "kl", "raw/failures", "weighted/ctr"} <= found.updates[0].metrics.keys()
        assert abs(found.updates[0].metrics["kl"]) < 0.5  # of one batch, while it takes its first steps
    assert tuner.steps(len(asked)) > 0


@pytest.mark.parametrize("name", LEARN)
def test_same_seed_same_weights_and_the_globals_stay(started, name):
    state = torch.get_rng_state()
    prints = [tuned(started, name, seed)[1] for seed in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", LEARN)
def test_a_session_that_was_broken_off_goes_on_as_if_it_was_not(started, name):
    saved = {}
    scored = ScoredTexts(ShortIsGood(), started[1], keep_diversity=0.5)

    def keep(update):
        saved[update.step] = (update.snapshot(), dict(scored.state()))

    first, whole, _ = tuned(started, name, scored=scored, on_update=keep)
    for step in (1, len(saved) // 2, len(saved) - 1):
        state, texts = saved[step]
        again = ScoredTexts(ShortIsGood(), started[1], keep_diversity=0.5)
        again.restore(texts)
        second, weights, _ = tuned(started, name, scored=again, resumed=state)
        assert weights == whole
        assert second.updates == first.updates[step:]
        assert again.texts == scored.texts != []


@pytest.mark.parametrize("name", LEARN)
def test_the_caller_may_end_it(started, name):
    found, _, _ = tuned(started, name, on_update=lambda update: "enough" if update.step == 2 else None)
    assert found.stopped == "enough" and len(found.updates) == 2


@pytest.mark.parametrize("name", LEARN)
def test_a_small_adapter_learns_alone(started, name):
    writer, asked, weights = started
    load_weights(writer, weights)
    with adapted(writer, AdapterConfig("lora", rank=2), steps=8, seed=0):
        small = sum(weight.numel() for weight in writer.model.parameters() if weight.requires_grad)
        SETTINGS.tuner(name).tune(writer, asked, ScoredTexts(ShortIsGood(), asked), seed=0)
    after = own_weights(writer)
    assert small < 0.4 * sum(weight.numel() for weight in after.values())
    changed = {key for key in after if not torch.equal(after[key], weights[key])}
    assert changed and all("attn" in key or "mlp" in key for key in changed)


@pytest.mark.parametrize("name", LEARN)
def test_it_keeps_to_a_budget_of_reward_calls(started, name):
    asked = started[1]
    tuner = SETTINGS.tuner(name).within(64, len(asked))
    scored = ScoredTexts(ShortIsGood(), asked)
    load_weights(started[0], started[2])
    tuner.tune(started[0], asked, scored, seed=0)
    assert len(scored) == 64


@pytest.mark.parametrize("name", ["best-of-n", "supervised"])
def test_what_does_not_tune_leaves_the_writer_alone(started, name):
    tuner = SETTINGS.tuner(name)
    before = started[0].fingerprint()
    assert tuner.updates == 0 and not tuner.tune(*started, seed=0).updates
    assert started[0].fingerprint() == before


def test_a_kl_below_zero_is_said_to_be_noise():
    below, above = (Update(1, {"reward": 0.5, "kl": kl}, lambda: TuningState(0, {}, {})) for kl in (-0.04, 0.4))
    assert below.note == "reward +0.50  KL -0.0, an estimate within its error of zero"
    assert above.note == "reward +0.50  KL 0.4"
