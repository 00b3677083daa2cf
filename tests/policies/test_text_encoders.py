"""What reads headlines beside their words: language models, and several sources at once."""

import numpy as np
import pytest
import torch
from copybandit.policies.headlines import encoder as encoders
from copybandit.policies.headlines.encoder import Encoder
from copybandit.policies.headlines.language_model import LanguageModelVectors, is_language_model
from copybandit.policies.headlines.layers import LayerVectors
from copybandit.policies.headlines.stack import read_by
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.errors import InputError

TEXTS = ["A trail tent for two.", "Why this trail tent is not what you think it is", "A pan."]


@pytest.fixture(scope="module")
def model(tiny_catalog, tmp_path_factory):
    """A directory with a GPT-2 that has learned nothing."""
    folder = tmp_path_factory.mktemp("gpt2")
    make_writer(tiny_catalog, WriterConfig(layers=5, width=32, heads=2, vocabulary=400), seed=0).save(folder)
    return folder


def test_the_middle_layers_of_a_language_model_are_read(model):
    source = LanguageModelVectors(model)
    assert source.means == ("language model, layer 2", "language model, layer 3")
    assert source.firsts == ()
    vectors = source.named("language model, layer 3")(TEXTS)
    # By hand: the beginning token says nothing of the text and is left out.
    ids = source._tokenizer(source._tokenizer.bos_token + TEXTS[1], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        by_hand = source._model(ids, output_hidden_states=True).hidden_states[3][0, 1:].mean(0)
    assert vectors[1] == pytest.approx(by_hand.double().numpy(), abs=1e-5)
    alone = LanguageModelVectors(model).named("language model, layer 3")(TEXTS[:1])
    assert np.abs(alone[0] - vectors[0]).max() < 1e-5, "padding changes nothing"


def test_what_is_a_language_model(model, tmp_path):
    assert is_language_model(model)
    assert not is_language_model(tmp_path)
    with pytest.raises(InputError, match=r"--encoder .*no\.gguf: no such file"):
        Encoder.chosen(str(tmp_path / "no.gguf"))


class Sentences(LayerVectors):
    """A source of the other kind."""

    def __init__(self, path, device="cpu"):
        super().__init__()
        self.means, self.firsts, self.title = ("layer 1",), ("first token, layer 1",), path.name

    def states(self, texts):
        counts = torch.ones(len(texts), 3, dtype=torch.int64)
        drawn = [torch.Generator().manual_seed(len(text)) for text in texts]
        state = torch.stack([torch.randn(3, 8, generator=g) for g in drawn])
        return (state, state), counts


def test_two_sources_are_read_side_by_side(model, monkeypatch):
    monkeypatch.setattr(encoders, "SentenceVectors", Sentences)
    both = Encoder.chosen(f"minilm, {model}")
    assert both is not None
    assert both.title == f"minilm and {model.name}"
    done = []
    both.encode(TEXTS, progress=done.append)
    assert sum(done) == 2 * len(TEXTS)
    assert both.layer("language model, layer 2")(TEXTS).shape == (3, 32)
    assert both.layer("layer 1")(TEXTS).shape == (3, 8)
    _, config = read_by(TEXTS, both)
    assert {"alike in vectors 0", "alike in a language model 0"} <= set(config.members)
    again = Encoder.named(both.name)
    assert again is not None
    assert again.layer("layer 1")(TEXTS) == pytest.approx(both.layer("layer 1")(TEXTS))
    with pytest.raises(InputError, match="two of one kind"):
        Encoder.chosen(f"{model},{model}")
