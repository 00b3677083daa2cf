"""Writers that somebody altered: weights whose header lies, settings and tokenizers of another shape, links, what is
missing. Each is loaded, or refused in one line, in bounded memory.
"""

import json
import shutil
import struct
from pathlib import Path

import pytest
import torch
from copybandit.policies.writer.loading import load_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from transformers.utils import logging

from .fuzz import VALUES, damaged, refusal, tried, twisted

WEIGHTS = "model.safetensors"
SETTINGS = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")


@pytest.fixture(autouse=True)
def _quiet():
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    yield
    logging.set_verbosity(before)


@pytest.fixture
def good() -> Path:
    """A writer of 20 kB."""
    words = Tokenizer(models.BPE())
    words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=["<e>", "<p>"], show_progress=False)
    words.train_from_iterator(["keeps water cold for a day"] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<e>", pad_token="<p>")
    torch.manual_seed(0)
    sizes = GPT2Config(vocab_size=len(tokenizer), n_positions=32, n_embd=16, n_layer=1, n_head=2, eos_token_id=0)
    model = GPT2LMHeadModel(sizes)
    model.save_pretrained("good")
    tokenizer.save_pretrained("good")
    load_model("good", seed=0)
    return Path("good")


def with_header(data: bytes, change) -> bytes:
    """The weights under a header that says something else."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.dumps(change(json.loads(data[8 : 8 + size]))).encode()
    return struct.pack("<Q", len(header)) + header + data[8 + size :]


def lying(data: bytes, seed: int) -> bytes:
    """A tensor of another kind, shape or place, under another name, or gone."""
    return with_header(data, lambda header: twisted(header, seed))


def elsewhere(folder: Path, seed: int) -> None:
    """A file that is missing, a link, a folder, empty, or larger than memory."""
    names = sorted(path.name for path in folder.iterdir())
    file = folder / names[seed % len(names)]
    file.unlink()
    match seed // len(names) % 5:
        case 0:
            file.symlink_to("/dev/zero")
        case 1:
            file.symlink_to("../secret")
        case 2:
            file.mkdir()
        case 3:
            file.touch()
        case _:
            with file.open("wb") as large:
                large.truncate(2**40)


def altered(folder: Path, seed: int) -> None:
    """One thing of a writer changed: weights, their header, a file of settings (half of them sizes), or where it is."""
    weights, turn = folder / WEIGHTS, seed // 6
    match seed % 6:
        case 0:
            weights.write_bytes(lying(weights.read_bytes(), seed))
        case 1:
            weights.write_bytes(damaged(weights.read_bytes(), seed))
        case 2:
            facts = json.loads((folder / "config.json").read_text())
            numbers = [name for name, value in facts.items() if isinstance(value, int | float)]
            (folder / "config.json").write_text(
                json.dumps(facts | {numbers[turn % len(numbers)]: VALUES[turn // len(numbers) % len(VALUES)]})
            )
        case 3:
            elsewhere(folder, turn)
        case _:
            file = folder / SETTINGS[turn % len(SETTINGS)]
            if seed % 6 == 4:
                file.write_text(json.dumps(twisted(json.loads(file.read_text()), seed)))
            else:
                file.write_bytes(damaged(file.read_bytes(), seed))


def test_writers(good):
    Path("secret").write_text("mine")

    def one(seed):
        shutil.rmtree("w", ignore_errors=True)
        shutil.copytree(good, "w")
        altered(Path("w"), seed)
        load_model("w", seed=0)

    tried("writer", one, 60)
    assert Path("secret").read_text() == "mine"
    assert sorted(path.name for path in Path().iterdir() if path.name != "w") == ["good", "secret"]


@pytest.mark.parametrize("size", ["n_layer", "n_embd", "vocab_size"])
def test_sizes_that_the_weights_cannot_have_are_refused_before_anything_is_built(good, size):
    """Layers are built one by one: a number of twelve digits would never end."""
    facts = json.loads((good / "config.json").read_text())
    (good / "config.json").write_text(json.dumps(facts | {size: 10**12}))
    assert "bytes of weights cannot be" in str(refusal(lambda: load_model(str(good), seed=0)))


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json"])
def test_a_link_to_what_never_ends_is_refused(good, name):
    (good / name).unlink()
    (good / name).symlink_to("/dev/zero")
    assert "good" in str(refusal(lambda: load_model(str(good), seed=0)))


def test_settings_larger_than_any_are_not_read(good):
    with (good / "tokenizer.json").open("r+b") as file:
        file.truncate(2**33)
    assert "8,589,934,592 bytes, at most 268,435,456 are read" in str(refusal(lambda: load_model(str(good), seed=0)))
