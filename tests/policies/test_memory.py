from copybandit.policies.learning.memory import free_bytes, tuning_bytes
from copybandit.policies.writer.writer import WriterConfig, make_writer


def test_by_hand(tiny_catalog):
    """Two layers of width 32 keep 2 x 32 x 68 = 4,352 bytes a token, and 8 for each token of the vocabulary."""
    writer = make_writer(tiny_catalog, WriterConfig(layers=2, width=32, heads=2, vocabulary=400), seed=0)
    weights, words = writer.model.num_parameters(), writer.model.config.vocab_size
    kept = 6 * 10 * (4352 + 8 * words)
    assert tuning_bytes(writer, 6, 10, adapted=True) == 4 * 4 * weights + kept
    assert tuning_bytes(writer, 6, 10, adapted=False) == (4 + 4) * 4 * weights + kept
    assert free_bytes(writer.device) > 1e6
