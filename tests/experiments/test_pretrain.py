"""`copybandit pretrain`: one command makes corpus, tokenizer, weights and card."""

import json
from pathlib import Path

import pytest
from copybandit.experiments.cli import main
from copybandit.policies.base.corpus import read_taught
from copybandit.policies.writer.loading import load_model
from copybandit.policies.writer.placeholders import to_template
from copybandit.policies.writer.word_pairs import WordPairs
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.catalog import Catalog

SMALL = ["--products", "6", "--lines-each", "8", "--pretrain.lines", "96", "--pretrain.evaluate-every", "2"]


def test_one_command_makes_the_base_and_the_same_one_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        main(["pretrain", "--quick", *SMALL, "--out", str(tmp_path / name)])
    one, two = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("one", "two"))
    assert one["weights"] == two["weights"]
    assert one["corpus"] == two["corpus"]
    assert one["lines"] == len(read_taught(tmp_path / "one" / "corpus.jsonl.gz"))
    assert load_model(str(tmp_path / "one" / "base"), seed=0)[1].config.n_layer == 2
    pairs, (line, *_) = WordPairs.load(tmp_path / "one" / "base"), read_taught(tmp_path / "one" / "corpus.jsonl.gz")
    assert pairs is not None and pairs.unread(to_template(line.text, line.prompt))[:2] == (0, 0)
    card = (tmp_path / "one" / "base" / "README.md").read_text()
    assert one["corpus"] in card
    assert "copybandit pretrain" in card


def test_a_file_of_taught_lines_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["pretrain", "--quick", *SMALL, "--taught", str(tmp_path / "none.gz"), "--out", str(tmp_path / "run")])
    assert "none.gz" in capsys.readouterr().err


def test_a_teacher_or_what_one_wrote_but_not_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["pretrain", "--quick", "--taught", "a.gz", "--teacher", "b", "--out", str(tmp_path / "run")])
    assert "exclude each other" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_teacher_learns_and_writes_and_its_lines_are_read(tmp_path: Path, tiny_catalog: Catalog) -> None:
    make_writer(tiny_catalog, WriterConfig(layers=1, width=32, heads=2, vocabulary=400), seed=0).save(
        tmp_path / "model"
    )
    teacher = ["--teacher", str(tmp_path / "model")]
    main(["pretrain", "--quick", *SMALL, *teacher, "--out", str(tmp_path / "run")])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["taught"] == len(read_taught(tmp_path / "run" / "taught.jsonl.gz"))
    assert (tmp_path / "run" / "teacher" / "model.safetensors").is_file()
