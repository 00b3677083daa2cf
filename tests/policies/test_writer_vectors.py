import numpy as np
import pytest
from copybandit.policies.headlines.writer_vectors import WriterVectors, taught_writer
from copybandit.policies.learning.warm_start import WarmStartConfig

TEXTS = ["the cat sat on the mat", "a dog, a day, a dollar", "why nobody told you this before now"] * 4


@pytest.fixture(scope="module")
def writer():
    return taught_writer(TEXTS, seed=0, config=WarmStartConfig(lines=64))


def test_a_text_has_the_same_vector_in_any_company(writer):
    alone = WriterVectors(writer)(TEXTS[:1])
    together = WriterVectors(writer, batch=2)(TEXTS[:3])
    assert alone.shape == (1, writer.model.config.hidden_size)
    assert together[0] == pytest.approx(alone[0], abs=1e-4)
    assert not np.allclose(together[0], together[1], atol=1e-2)


def test_it_is_the_mean_state_of_the_texts_own_tokens(writer):
    seen = writer.model.base_model(
        **writer.tokenizer("headline | - | - | everyone => a dog, a day, a dollar", return_tensors="pt")
    )
    before = len(writer.tokenizer("headline | - | - | everyone =>")["input_ids"])
    by_hand = seen.last_hidden_state[0, before:].mean(0).detach().numpy()
    assert WriterVectors(writer)(["a dog, a day, a dollar"])[0] == pytest.approx(by_hand, abs=1e-4)
