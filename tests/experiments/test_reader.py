"""`copybandit reader`: from a language model's words and clean lines to a reader in a file."""

import json

import pytest
from copybandit.experiments.cli import main
from copybandit.policies.writer.writer import Writer, WriterConfig, small_gpt2, train_tokenizer
from copybandit.simulation.reader.garbled import load_reader

CLEAN = [
    f"{who} {does} {what} {where}."
    for who in ("The baker", "A neighbour", "My sister", "The old man")
    for does in ("sells", "mends", "carries", "looks for")
    for what in ("a warm coat", "the red lamp", "fresh bread", "an old radio")
    for where in ("in the garden", "by the door", "every morning", "near the station")
]

OTHERS = [f" {first}{last}" for first in "bacedifoguhajekilomu" for last in ("ran", "sel", "tin", "vor", "mup", "zag")]
"""Words that the model knows and no line has."""
OPTIONS = ["products 6", "weak 40", "common 100", "width 8", "seed 1", "fit.rate 0.001", "fit.forget 0.5"]
OPTIONS += ["fit.unlisted 0.3", "fit.weak 0.9", "fit.smoothing 0.2", "fit.batch 16", "fit.steps 4"]


@pytest.fixture
def model(tmp_path):
    sizes = WriterConfig(layers=1, width=32, heads=2, vocabulary=900)
    tokenizer = train_tokenizer([f" {line}" for line in CLEAN] + OTHERS * 3, sizes.vocabulary)
    Writer(small_gpt2(sizes, tokenizer, 0), tokenizer, sizes).save(tmp_path / "model")
    return tmp_path / "model"


def run(model, tmp_path, name, *more):
    (tmp_path / "clean.txt").write_text("\n".join(CLEAN))
    out = tmp_path / name
    small = ["--products", "4", "--weak", "20", "--common", "200", "--width", "16", "--fit.batch", "32"]
    given = ["--model", str(model), "--english", str(tmp_path / "clean.txt"), "--out", str(out), *small, *more]
    main(["reader", *given])
    return out / "reader.safetensors"


def test_it_learns_and_the_same_seed_learns_the_same(model, tmp_path):
    first, again = (run(model, tmp_path, name, "--fit.steps", "250") for name in ("first", "again"))
    reader, card = load_reader(first)
    clean = CLEAN[::16]
    garbled = [" ".join(sorted(line.rstrip(".").split(), key=lambda word: word[::-1])) for line in clean]
    assert (reader.logits(clean).mean() + 1) < reader.logits(garbled).mean()
    assert load_reader(again)[0].logits(clean).tolist() == reader.logits(clean).tolist()
    assert card["lines"]["clean.txt"] == len(CLEAN)
    figures = json.loads((first.parent / "summary.json").read_text())
    assert figures["threshold"] == pytest.approx(reader.threshold)


@pytest.mark.parametrize(
    ("option", "value"),
    [option.split() for option in OPTIONS],
)
@pytest.mark.slow
def test_every_option_is_read(model, tmp_path, option, value):
    usual = load_reader(run(model, tmp_path, "usual", "--fit.steps", "3"))[0]
    more = ["--fit.steps", "3"] if option != "fit.steps" else []
    other = load_reader(run(model, tmp_path, "other", *more, f"--{option}", value))[0]
    assert usual.logits(CLEAN[:8]).tolist() != other.logits(CLEAN[:8]).tolist()


@pytest.mark.parametrize("text", ["", None])
def test_no_clean_lines_is_one_line(model, tmp_path, text, capsys):
    path = tmp_path / "none.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit):
        main(["reader", "--model", str(model), "--english", str(path), "--out", str(tmp_path / "out")])
    assert "none.txt" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
