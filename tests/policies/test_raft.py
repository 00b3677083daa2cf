"""The writer learns from the best of what it wrote."""

import pytest
import torch
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.reward.reward import Rewards
from copybandit.policies.reward.scored_texts import ScoredTexts
from copybandit.policies.tuning.raft import PARTS, Raft, RaftConfig
from copybandit.policies.writer.writer import WriterConfig, load_weights, make_writer, own_weights
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.scenario import load_scenario
from copybandit.simulation.text.encoder import TextEncoder

SMALL = WriterConfig(layers=1, width=32, heads=2, vocabulary=400, max_new_tokens=8)
CONFIG = RaftConfig(rounds=3, texts=12, kept=1, passes=6, batch=4, learning_rate=3e-3)


class ShortIsGood:
    """A reward that anyone can raise: minus the number of characters."""

    def __call__(self, creatives, group):
        total = torch.tensor([-0.05 * len(creative.text) for creative in creatives])
        zero = torch.zeros_like(total)
        return Rewards(total, {"failures": zero, "refused": zero}, {"ctr": total, "diversity": zero})

    def encode(self, creatives):
        return TextEncoder(dim=64, seed=0).encode([creative.text for creative in creatives])


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    _, catalog = load_scenario(__file__.replace("policies/test_raft.py", "data/tiny.yaml"))
    writer = make_writer(catalog, SMALL, seed=0)
    warm_start(writer, catalog, ["savers"], WarmStartConfig(lines=400, batch=8, learning_rate=3e-3), seed=0)
    return catalog, writer, own_weights(writer)


def test_what_it_writes_earns_more_after_each_round(started):
    catalog, writer, weights = started
    load_weights(writer, weights)
    asked = [(product, "savers") for product in catalog.products]
    scored = ScoredTexts(ShortIsGood(), asked, keep_diversity=0.5)
    found = Raft(CONFIG).tune(writer, asked, scored, seed=0)
    rewards = [float(part.mean()) for part in scored.quality.chunk(3)]
    assert rewards[0] < rewards[1] < rewards[2]
    assert [update.step for update in found.updates] == list(range(1, 3 * PARTS + 1))
    losses = [update.metrics["loss"] for update in found.updates if update.metrics]
    assert len(losses) == 3 * min(PARTS, Raft(CONFIG).steps(len(asked)) // 3)
    assert len(scored) == 3 * 12 * len(asked)


def test_learns_all_batches_whatever_the_parts():
    assert Raft(RaftConfig()).steps(480) == 4 * 2 * 480 // 32
    assert Raft(RaftConfig(rounds=2, passes=1, kept=1)).steps(33) == 2 * 2


@pytest.mark.parametrize(
    "wrong", [{"rounds": 0}, {"texts": 1, "kept": 2}, {"passes": 0}, {"learning_rate": -1e-3}, {"learning_rate": 2.0}]
)
def test_settings_that_learn_nothing_are_refused(wrong):
    with pytest.raises(InputError, match="raft: "):
        RaftConfig(**wrong)
