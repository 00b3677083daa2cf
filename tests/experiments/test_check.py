"""`copybandit check`: what is refused, by which rule, and what a run wrote."""

import json
from pathlib import Path

import pandas as pd
import pytest
from copybandit.experiments.cli import main
from copybandit.experiments.harness.config import configured
from copybandit.experiments.tune import run_tune
from copybandit.experiments.writing.options import TuneOptions

TEXTS = "text,product_id\nA cast iron skillet that lasts.,k1\nNow 39 dollars: the skillet.,k1\n"
CATALOG = "product_id,title,category,price,brand\nk1,cast iron skillet,kitchen,39,Pellworth\n"


@pytest.fixture
def files():
    Path("lines.csv").write_text(TEXTS + "Guaranteed results or your money back.,k1\n")
    Path("catalog.csv").write_text(CATALOG)


def checked(*arguments: str) -> pd.DataFrame:
    main(["check", *arguments, "--out", "out"])
    return pd.read_parquet("out/checked.parquet")


def test_what_a_product_holds_may_be_said(files, capsys):
    table = checked("lines.csv", "--catalog", "catalog.csv")
    assert table.verdict.tolist() == ["ok", "ok", "refuse"]
    counts = json.loads(Path("out/summary.json").read_text())
    assert counts["verdicts"] == {"ok": 2, "flag": 0, "refuse": 1}
    assert sum(counts["broken"].values()) >= 1
    said = capsys.readouterr().out
    assert "Guaranteed results" in said and "1 refused, 0 to look at, 2 pass" in said


def test_without_a_catalog_no_price_is_supported(files):
    assert checked("lines.csv").verdict.tolist() == ["ok", "refuse", "refuse"]


def test_platforms_have_limits(files):
    Path("lines.csv").write_text("text\n" + "ab" * 15 + "\n" + "ab" * 15 + "a\n")
    table = checked("lines.csv", "--platform", "search-headline")
    assert table.verdict.tolist() == ["ok", "refuse"]
    assert table.rule[1].startswith("platform-")


def test_rules_of_ones_own(files):
    Path("rules.yaml").write_text(
        "rules:\n  - {id: house, says: Say fair., languages: [en], patterns: [lasts], severity: refuse}\n"
    )
    table = checked("lines.csv", "--catalog", "catalog.csv", "--rules", "rules.yaml")
    assert table.rule.tolist()[0] == "house" and table.said.tolist()[0] == "lasts"


def test_what_reads_like_a_breach_is_flagged_and_not_refused(files):
    Path("lines.csv").write_text("text\nMelt the pounds away while you sleep.\nA cast iron skillet that lasts.\n")
    table = checked("lines.csv", "--strict")
    assert table.verdict.tolist() == ["flag", "ok"] and table.rule.tolist() == ["reads-like-a-breach", ""]
    assert table.breach_probability[0] > 0.9 > table.breach_probability[1]
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary["broken"] == {"reads-like-a-breach": 1} and set(summary["flagged_from"]) == {"en", "zh"}
    page = Path("out/report.html").read_text()
    assert "Reads like copy that is refused: have a person look." in page and "A classifier flags" in page


def test_a_reader_that_was_switched_off_says_nothing(files):
    Path("lines.csv").write_text("text\nMelt the pounds away while you sleep.\n")
    Path("rules.yaml").write_text("switch_off: [reads-like-a-breach]\n")
    table = checked("lines.csv", "--rules", "rules.yaml")
    assert table.verdict.tolist() == ["ok"] and table.breach_probability.isna().all()
    assert json.loads(Path("out/summary.json").read_text())["flagged_from"] == {}
    assert "A classifier flags" not in Path("out/report.html").read_text()


def test_texts_of_a_run(tmp_path):
    options = {"model": "built-in", "users": 40, "log_impressions": 4000, "effect.steps": 20, "samples": 1}
    options |= {"writer.width": 32, "writer.heads": 2, "writer.vocabulary": 400, "writer.max_new_tokens": 8}
    options |= {"warm_start.lines": 160, "algorithm": "raft", "raft.texts": 4, "raft.passes": 1, "products": 4}
    run = run_tune(configured(TuneOptions(), out=tmp_path / "run", **options))
    table = checked(str(run))
    written = pd.read_parquet(run / "creatives.parquet")
    assert table.text.tolist() == written.text[written.writer == "tuned"].tolist()
    assert set(table.product_id) == set(written.product_id)
    assert pd.read_csv("out/checked.csv").columns.tolist() == [
        "text",
        "product_id",
        "verdict",
        "rule",
        "said",
        "remedy",
        "breach_probability",
    ]


def test_the_page_tells_verdicts_and_remedies(files):
    checked("lines.csv", "--catalog", "catalog.csv")
    page = Path("out/report.html").read_text()
    assert "Guaranteed results or your money back." in page and "banned-absolute" in page
    assert "Say what the product does, not that it cannot fail." in page
    assert "not thereby lawful" in page


def test_a_page_of_fine_texts_lists_none(files):
    Path("lines.csv").write_text(TEXTS)
    assert set(checked("lines.csv", "--catalog", "catalog.csv").verdict) == {"ok"}
    assert "Texts and remedies" not in Path("out/report.html").read_text()


def test_strict_is_an_exit_code(files):
    with pytest.raises(SystemExit) as ended:
        main(["check", "lines.csv", "--strict", "--out", "out"])
    assert ended.value.code == 1 and Path("out/checked.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lines.csv", "--platform", "radio"], "radio"),
        (["lines.csv", "--rules", "none.yaml"], "none.yaml"),
        (["none.csv"], "none.csv: no such file"),
        (["."], "no finished loop or tune"),
        ([".", "--catalog", "catalog.csv"], "leave out --catalog"),
        (["catalog.csv", "--columns", "text=title", "--catalog", "catalog.csv"], "column 'title' is missing"),
    ],
)
def test_refused_in_one_line(files, arguments, says, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments, "--out", "out"])
    told = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and says in told and "\n" not in told
    assert not Path("out").exists()
