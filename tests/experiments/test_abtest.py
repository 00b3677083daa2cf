"""`copybandit abtest`: counts of tests that were run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from copybandit.experiments.cli import main
from copybandit.experiments.harness.files import read_json

ONE = "text,impressions,clicks\nSave water,10000,300\nSeven ways,10010,430\nWater,9990,310\n"


def run(rows: str, *options: str) -> tuple[dict, pd.DataFrame]:
    Path("t.csv").write_text(rows, encoding="utf-8")
    main(["abtest", "t.csv", "--out", "a", *options])
    return read_json(Path("a/summary.json")), pd.read_parquet("a/lifts.parquet")


def test_a_winner_is_called(capsys):
    summary, lifts = run(ONE)
    assert summary["verdicts"][0]["winner"] == "Seven ways" and summary["verdicts"][0]["more"] == 0
    assert lifts.winner.tolist() == [False, True, False] and lifts.differs[1]
    assert lifts.lift[1] == pytest.approx(430 / 10010 / (610 / 19990) - 1)
    assert ((lifts.lift_low < lifts.lift) & (lifts.lift < lifts.lift_high)).all()
    assert lifts.rate.tolist() == pytest.approx([0.03, 430 / 10010, 310 / 9990])
    assert pd.read_csv("a/lifts.csv").text.tolist() == lifts.text.tolist()
    assert "'Seven ways' wins" in capsys.readouterr().out
    page = Path("a/report.html").read_text(encoding="utf-8")
    assert "Who wins" in page and "Seven ways" in page


def test_it_is_among_the_runs(capsys):
    run(ONE)
    main(["runs", ".", "--command", "abtest"])
    line = capsys.readouterr().out.splitlines()[-1].split()
    assert line[:2] == ["a", "abtest"] and "finished" in line
    assert " ".join(line[-7:]) == "1 of 1 tests have a winner"
    assert "metric: clicks" in Path("a/config.yaml").read_text(encoding="utf-8")


def test_against_a_control_it_has_no_lift(capsys):
    _, lifts = run(ONE, "--against", "first")
    assert lifts.lift.isna().tolist() == [True, False, False] and not lifts.differs[0]
    assert lifts.lift[1] == pytest.approx(430 / 10010 / (300 / 10000) - 1)
    assert "control" in capsys.readouterr().out


def test_how_many_more_impressions_would_do():
    summary, _ = run("text,impressions,clicks\nA,1000,30\nB,1000,40\n")
    more = summary["verdicts"][0]["more"]
    assert summary["verdicts"][0]["winner"] is None and more > 0
    times = (2000 + more) / 2000
    rows = f"text,impressions,clicks\nA,{1000 * times:.0f},{30 * times:.0f}\nB,{1000 * times:.0f},{40 * times:.0f}\n"
    main(["abtest", str(_write("later.csv", rows)), "--out", "later"])
    assert read_json(Path("later/summary.json"))["verdicts"][0]["winner"] == "B"


def _write(name: str, rows: str) -> Path:
    Path(name).write_text(rows, encoding="utf-8")
    return Path(name)


def test_rates_alike_have_no_winner_in_sight(capsys):
    summary, lifts = run("text,impressions,clicks\nA,1000,30\nB,1000,30\n")
    assert summary["verdicts"][0]["more"] is None and lifts.p.tolist() == [1, 1]
    assert "none in sight" in capsys.readouterr().out


def test_what_was_not_dealt_as_planned_has_no_winner(capsys):
    rows = "text,impressions,clicks,share\nA,12000,300,{}\nB,6000,400,1\n"
    summary, _ = run(rows.format(1))
    assert summary["verdicts"][0]["winner"] is None and summary["tested"]["not dealt as planned"] == 1
    assert "not dealt as planned" in capsys.readouterr().out
    main(["abtest", str(_write("t.csv", rows.format(2))), "--out", "planned"])
    assert read_json(Path("planned/summary.json"))["verdicts"][0]["winner"] == "B"


@pytest.mark.parametrize(
    "rows",
    ["A,1000,20\nA,1000,24\nB,1000,70\n", "A,1000,20\nA,990,24\nA,10,0\nB,1000,60\nB,1000,50\n"],
    ids=["B began a day later", "one device more"],
)
def test_rows_of_a_text_are_added_up(rows, capsys):
    summary, lifts = run(f"text,impressions,clicks\n{rows}")
    assert lifts.impressions[0] == 2000 and lifts.clicks[0] == 44
    assert summary["verdicts"][0]["winner"] == "B" and summary["tested"]["not dealt as planned"] == 0
    assert "rows added up to 2 texts" in capsys.readouterr().out


def test_a_share_that_is_repeated_stays_what_it_is():
    rows = "text,impressions,clicks,share\nA,1000,20,50%\nA,1000,24,50%\nB,1990,110,50%\n"
    summary, lifts = run(rows)
    assert lifts.share.tolist() == [0.5, 0.5] and summary["verdicts"][0]["winner"] == "B"


def test_equal_rates_have_no_lift_however_impressions_came():
    _, lifts = run("text,impressions,clicks\nA,450,45\nB,550,55\n")
    assert lifts.lift.tolist() == pytest.approx([0, 0])


def test_texts_that_nobody_saw_are_left_out(capsys):
    _, lifts = run("text,impressions,clicks\nA,450,45\nB,0,0\nC,460,45\n")
    assert lifts.text.tolist() == ["A", "C"]
    assert "1 texts that were never shown" in capsys.readouterr().out


def test_winners_are_named_first_and_broken_tests_differ_in_nothing(capsys):
    counted = ["x,A,5000,100", "x,B,5000,102", "y,A,5000,100", "y,B,5000,200", "z,A,9000,100", "z,B,1000,99"]
    rows = "\n".join(["test_id,text,impressions,clicks", *counted, ""])
    summary, lifts = run(rows)
    assert [(one["test_id"], one["winner"]) for one in summary["verdicts"]] == [("y", "B"), ("x", None), ("z", None)]
    assert summary["verdicts"][2]["more"] is None
    assert lifts[lifts.differs].test_id.unique().tolist() == ["y"]
    said = capsys.readouterr().out
    assert "3 tests, 1 with a winner, 1 not dealt as planned" in said and said.index("y:") < said.index("x:")


def test_tests_stand_apart_and_lonely_texts_are_left_out():
    rows = "test_id,group,text,impressions,clicks\n" + "".join(
        f"{test},{group},{text},5000,{clicks}\n"
        for test, group, text, clicks in [
            ("x", "1", "A", 100),
            ("y", "1", "A", 300),
            ("x", "1", "B", 180),
            ("x", "2", "A", 90),
            ("y", "1", "C", 100),
        ]
    )
    summary, lifts = run(rows)
    assert [(one["test_id"], one["winner"]) for one in summary["verdicts"]] == [("x", "B"), ("y", "A")]
    assert lifts.text.tolist() == ["A", "B", "A", "C"]


def test_conversions_are_counted_by_impression():
    rows = "text,impressions,clicks,conversions\nA,5000,300,20\nB,5000,300,90\n"
    assert run(rows, "--metric", "conversions")[0]["verdicts"][0]["winner"] == "B"
    main(["abtest", "t.csv", "--out", "clicks"])
    assert read_json(Path("clicks/summary.json"))["verdicts"][0]["winner"] is None


def test_a_stricter_level_calls_later():
    rows = "text,impressions,clicks\nA,9000,270\nB,9000,360\n"
    main(["abtest", str(_write("t.csv", rows)), "--out", "easy", "--level", "0.2"])
    main(["abtest", "t.csv", "--out", "strict", "--level", "0.0001"])
    easy, strict = (pd.read_parquet(f"{name}/lifts.parquet") for name in ("easy", "strict"))
    assert easy.winner.any() and not strict.winner.any()
    assert (strict.lift_high - strict.lift_low > easy.lift_high - easy.lift_low).all()


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        ("text,impressions,clicks\nA,100,5\nB,100,101\n", [], "row 3: 101 clicks of 100 impressions"),
        ("text,impressions,clicks,conversions\nA,100,5,6\nB,100,1,0\n", [], "row 2: 6 conversions of 5 clicks"),
        ("text,impressions,clicks\nA,100,5\n", [], "no test has two texts"),
        ("text,impressions,clicks\nA,100,5.5\nB,100,1\n", [], "row 2"),
        ("text,impressions,clicks\nA,100,-5\nB,100,1\n", [], "row 2"),
        ("text,impressions,clicks\n ,100,5\nB,100,1\n", [], "row 2"),
        ("text,impressions,clicks,share\nA,100,5,0\nB,100,1,1\n", [], "row 2"),
        ("text,clicks\nA,5\nB,1\n", [], "impressions"),
        ("text,impressions,clicks\n", [], "no rows"),
        (ONE, ["--metric", "conversions"], "no column 'conversions'"),
        (ONE, ["--level", "5"], "--level 5"),
        (ONE, ["--columns", "pryce=Cost"], "no table has a column 'pryce'"),
        (ONE, ["--columns", "clicks=Purchase"], "no column 'Purchase'"),
    ],
)
def test_bad_counts_are_refused(rows, options, says, capsys):
    Path("t.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main(["abtest", "t.csv", "--out", "a", *options])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err
    assert not Path("a").exists()


def test_nothing_is_written_over(capsys):
    Path("t.csv").write_text(ONE, encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["abtest", "t.csv", "--out", "."])
    assert "is there already" in capsys.readouterr().err


def test_texts_that_nobody_clicked_are_judged():
    _, lifts = run("text,impressions,clicks\nA,1000,0\nB,1000,0\nC,1000,9\n")
    assert lifts.lift_high[2] == np.inf and lifts.lift_low[:2].tolist() == [-1, -1]
    assert "no bound" in Path("a/report.html").read_text(encoding="utf-8")
