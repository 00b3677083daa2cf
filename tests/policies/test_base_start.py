"""The writer that a run begins with: the base where it can write, else one that learns from the catalog alone."""

import pytest
from copybandit.policies.base import start
from copybandit.policies.base.load import load_base
from copybandit.policies.base.start import BASE, READABLE, first_writer
from copybandit.policies.writer.writer import BUILT_IN, WriterConfig, make_writer
from copybandit.simulation.data.errors import InputError

SMALL = WriterConfig(layers=1, width=32, heads=2, vocabulary=400)


@pytest.fixture
def base(tiny_catalog, monkeypatch):
    """Stands for the base: a small writer with a mark."""
    made = make_writer(tiny_catalog, SMALL, seed=3)
    monkeypatch.setattr(start, "load_base", lambda config, device: made)
    return made


@pytest.mark.parametrize(("nats", "own"), [(READABLE - 0.1, True), (READABLE + 0.1, False)])
def test_the_base_writes_where_it_finds_the_catalog_likely(base, tiny_catalog, monkeypatch, nats, own):
    monkeypatch.setattr(start, "nats_a_character", lambda writer, texts: [nats] * len(texts))
    writer, note = first_writer(tiny_catalog, SMALL, seed=0, model=BASE)
    assert (writer is base) == own
    if not own:
        assert writer.fingerprint() == make_writer(tiny_catalog, SMALL, seed=0).fingerprint()
    assert ("writes English alone" in note) != own


def test_another_model_is_taken_as_asked(base, tiny_catalog):
    writer, note = first_writer(tiny_catalog, SMALL, seed=0, model=BUILT_IN)
    assert writer is not base and not writer.pretrained and note == ""
    assert writer.fingerprint() == make_writer(tiny_catalog, SMALL, seed=0).fingerprint()


def test_a_folder_without_a_base(tmp_path):
    with pytest.raises(InputError, match="copybandit pretrain"):
        load_base(SMALL, tmp_path)
