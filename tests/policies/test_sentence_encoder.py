import numpy as np
import pytest
from copybandit.policies.headlines.sentence_encoder import SentenceVectors, packaged_encoder
from copybandit.simulation.data.errors import InputError


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no sentence-transformers model|needs the encoder extra"):
        SentenceVectors(tmp_path)


@pytest.mark.slow
def test_vectors_of_the_packaged_encoder():
    path = packaged_encoder()
    if path is None:
        pytest.skip("the encoder extra is not installed")
    encoder = SentenceVectors(path)
    assert encoder.means == tuple(f"layer {depth}" for depth in (2, 3, 4, 5, 6))
    assert encoder.firsts == ("first token, layer 2", "first token, layer 4")
    together = encoder.named("layer 4")(["A cat.", "A much longer text about cats, dogs and the weather.", "A cat."])
    assert together.shape == (3, 384)
    assert (together[0] == together[2]).all()
    alone = SentenceVectors(path).named("layer 4")(["A cat."])
    # Padding in a batch changes nothing.
    assert np.abs(alone[0] - together[0]).max() < 1e-4
