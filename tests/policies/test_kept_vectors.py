import sqlite3
from contextlib import closing

import numpy as np
import pytest
import torch
from copybandit.policies.pictures.kept import KeptVectors
from copybandit.simulation.data.errors import InputError


class Counting:
    """An encoder of two numbers a picture that counts what it was asked."""

    title, width, fingerprint = "counting", 2, "counting 1"

    def __init__(self):
        self.asked = 0

    def encode(self, pixels):
        self.asked += len(pixels)
        return torch.tensor([[picture.mean(), picture.shape[0]] for picture in pixels], dtype=torch.float32).view(-1, 2)


@pytest.fixture
def pictures():
    return list(np.random.default_rng(0).integers(0, 256, (5, 20, 30, 3), dtype=np.uint8))


def test_a_picture_is_looked_at_once_and_not_once_a_run(pictures, tmp_path):
    first, second = Counting(), Counting()
    seen = KeptVectors(first, tmp_path / "v.sqlite").encode(pictures[:3])
    again = KeptVectors(second, tmp_path / "v.sqlite").encode([pictures[4], *pictures[:3], pictures[0]])
    assert (first.asked, second.asked) == (3, 1)
    assert torch.equal(again, Counting().encode([pictures[4], *pictures[:3], pictures[0]]))
    assert torch.equal(again[1:4], seen)


def test_equal_bytes_of_another_shape_are_another_picture(pictures, tmp_path):
    kept = KeptVectors(Counting(), tmp_path / "v.sqlite")
    turned = pictures[0].reshape(30, 20, 3)
    assert kept.encode([pictures[0], turned])[:, 1].tolist() == [20, 30]


def test_another_encoder_has_its_own(pictures, tmp_path):
    other = Counting()
    other.fingerprint = "counting 2"
    KeptVectors(Counting(), tmp_path / "v.sqlite").encode(pictures)
    KeptVectors(other, tmp_path / "v.sqlite").encode(pictures)
    assert other.asked == 5


def test_none(tmp_path):
    assert KeptVectors(Counting(), tmp_path / "v.sqlite").encode([]).shape == (0, 2)


def test_what_is_no_such_file(tmp_path, pictures):
    (tmp_path / "notes.txt").write_text("not a database" * 100)
    for path in (tmp_path / "notes.txt", tmp_path, tmp_path / "none" / "v.sqlite"):
        with pytest.raises(InputError, match=f"--image-cache {path}: .*; give a new file's name"):
            KeptVectors(Counting(), path)
    assert (tmp_path / "notes.txt").read_text() == "not a database" * 100


def test_a_damaged_one(tmp_path, pictures):
    path = tmp_path / "v.sqlite"
    kept = KeptVectors(Counting(), path)
    kept.encode(pictures)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE vectors SET vector = x'00'")
    with pytest.raises(InputError, match=r"v\.sqlite: damaged .*; delete it, and it is made anew"):
        kept.encode(pictures)
