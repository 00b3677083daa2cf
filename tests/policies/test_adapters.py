import dataclasses

import pytest
import torch
from copybandit.policies.learning.adapters import AdapterConfig, adapted
from copybandit.policies.reward.reward import Rewards
from copybandit.policies.tuning.ppo import Ppo, PpoConfig
from copybandit.policies.writer.writer import WriterConfig, make_writer, own_weights
from copybandit.simulation.data.errors import InputError

SMALL = WriterConfig(layers=1, width=32, heads=2, vocabulary=400, max_new_tokens=6)
CONFIG = PpoConfig(updates=3, batch=16, group=4, mini_batches=2, learning_rate=1e-2)


def short_is_good(creatives, group):
    total = torch.tensor([-0.05 * len(creative.text) for creative in creatives])
    return Rewards(total, {"failures": torch.zeros_like(total)}, {"ctr": total})


def tuned(catalog, config, adapter):
    writer = make_writer(catalog, SMALL, seed=0)
    before, asked = own_weights(writer), [(product, "savers") for product in catalog.products]
    with adapted(writer, adapter, steps=6, seed=0):
        learning = sum(weight.numel() for weight in writer.model.parameters() if weight.requires_grad)
        found = Ppo(config).tune(writer, asked, short_is_good, seed=0)
        inside = writer.model(torch.arange(5)[None]).logits
    return writer, before, learning, found, inside


@pytest.mark.filterwarnings("error::FutureWarning")
@pytest.mark.parametrize("kind", ["lora", "adalora"])
def test_a_small_part_learns_and_is_merged(tiny_catalog, kind):
    writer, before, learning, found, inside = tuned(tiny_catalog, CONFIG, AdapterConfig(kind, rank=2))
    after = own_weights(writer)
    assert len(found.updates) == 3
    assert abs(found.updates[0].metrics["kl"]) < 0.1
    assert learning < 0.3 * sum(weight.numel() for weight in before.values())
    assert after.keys() == before.keys()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed
    assert all("attn" in name or "mlp" in name for name in changed)
    assert torch.allclose(writer.model(torch.arange(5)[None]).logits, inside, atol=1e-4)
    assert all(weight.requires_grad for weight in writer.model.parameters())


def test_in_bfloat16_with_activations_computed_twice(tiny_catalog):
    config = dataclasses.replace(CONFIG, bf16=True, gradient_checkpointing=True)
    writer, before, _, found, _ = tuned(tiny_catalog, config, AdapterConfig())
    assert len(found.updates) == 3
    assert abs(found.updates[0].metrics["kl"]) < 0.5
    assert all(weight.dtype == torch.float32 for weight in writer.model.parameters())
    assert any(not torch.equal(weight, before[name]) for name, weight in own_weights(writer).items())


def test_no_rank():
    with pytest.raises(InputError, match="rank 0"):
        AdapterConfig("lora", rank=0)
