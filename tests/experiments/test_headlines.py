import numpy as np
import pandas as pd
import pytest
from copybandit.experiments.analysis.headlines.figures import judged_pairs, reliability, what_matters
from copybandit.experiments.analysis.headlines.replay import ArchiveTests
from copybandit.experiments.analysis.headlines.tests import differing, mismatched, winners
from copybandit.experiments.cli import main
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.headlines import HeadlinesOptions, run_headlines
from copybandit.simulation.archive.tests import Archive
from copybandit.simulation.data.errors import InputError

WORDS = ("zebra", "lemon", "piano", "river", "cloud", "stone", "tiger", "honey", "maple", "ocean", "amber", "coral")


def _archive(rng: np.random.Generator, count: int, name: str = "t") -> pd.DataFrame:
    """Tests of three texts in the generic format; `zebra` is worth a log-odds of one."""
    rows = []
    for test in range(count):
        for arm in range(3):
            words = rng.choice(WORDS, 6, replace=False)
            rate = 0.03 * (2.7 if "zebra" in words else 1.0)
            rows.append((f"{name}{test}", " ".join([*words, f"{name}{test}x{arm}"]), 4000, rng.binomial(4000, rate)))
    return pd.DataFrame(rows, columns=["test_id", "text", "impressions", "clicks"])


@pytest.fixture
def save(tmp_path):
    def write(frame: pd.DataFrame, name: str = "archive.csv"):
        frame.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


def _options(tmp_path, archive, **more) -> HeadlinesOptions:
    return configured(
        HeadlinesOptions(),
        out=tmp_path / "run",
        archive=archive,
        splits=2,
        encoder="none",
        traffic=(200, 400),
        repetitions=1,
        **more,
    )


def test_headlines_on_a_tiny_archive(tmp_path, save, rng):
    path = run_headlines(_options(tmp_path, save(_archive(rng, 40))))
    summary = read_json(path / "summary.json")
    assert summary["tests"] == 40
    assert set(summary["pairwise_accuracy"]) == {"all", "significant"}
    assert summary["pairwise_accuracy"]["significant"]["mean"] > 0.8
    assert set(summary["capture"]) == {"200", "400"}
    for row in summary["capture"].values():
        assert row["uniform"]["mean"] == pytest.approx(0, abs=0.01)
        assert row["copybandit"]["mean"] > 0.3
    assert all(
        row["copybandit"]["mean"] < summary["bound"][total]["mean"] < 1 for total, row in summary["capture"].items()
    )
    assert all(0.3 < row["mean"] < 1 for row in summary["of_bound"].values())
    assert any(row["name"] == "zebra" and row["effect"]["low"] > 0.5 for row in summary["what_matters"])
    assert len(pd.read_parquet(path / "headlines.parquet")) == 120
    assert [row["impressions"] for row in summary["winners"]] == [200, 400]
    assert summary["sample_ratio"] == {"tests": 40, "mismatched": 0}
    report = (path / "report.html").read_text()
    assert "no policy captures more than" in report
    assert all(
        title in report
        for title in ("Predicting real tests", "Placing real texts", "The tests as A/B tests", "What in a text matters")
    )


def test_judged_on_another_file(tmp_path, save, rng):
    archive = _archive(rng, 40)
    test = _archive(rng, 20, "other")
    test.loc[0, "text"] = archive.text[0]
    run = run_headlines(_options(tmp_path, save(archive), test=save(test, "test.csv")))
    summary = read_json(run / "summary.json")
    assert summary["tests"] == 20
    assert any("1 tests of archive.csv that share" in note for note in summary["notes"])


def test_the_same_seed_gives_the_same_figures(tmp_path, save, rng):
    archive = save(_archive(rng, 30))
    found = []
    for name in ("a", "b"):
        options = configured(
            HeadlinesOptions(),
            out=tmp_path / name,
            archive=archive,
            splits=2,
            encoder="none",
            traffic=(200,),
            repetitions=1,
        )
        found.append(read_json(run_headlines(options) / "summary.json"))
    for summary in found:
        del summary["wall_seconds"]
    assert found[0] == found[1]


def test_bad_archives_are_refused(tmp_path, save, rng):
    good = _archive(rng, 10)
    above = good.assign(clicks=good.clicks.where(good.index != 4, 4001))
    with pytest.raises(InputError, match="row 6: 4001 clicks of 4000 impressions"):
        run_headlines(_options(tmp_path, save(above)))
    with pytest.raises(InputError, match=r"archive\.csv: 1 tests that share no text are too few for 2 parts"):
        run_headlines(_options(tmp_path, save(good[good.test_id == "t0"])))
    with pytest.raises(InputError, match="no test has two texts in one group"):
        run_headlines(_options(tmp_path, save(good.drop_duplicates("test_id"))))
    with pytest.raises(InputError, match=r"test t3 is in .* too \(1 tests are in both\)"):
        run_headlines(_options(tmp_path, save(good), test=save(good[good.test_id == "t3"], "test.csv")))
    with pytest.raises(InputError, match="--archive is missing"):
        run_headlines(HeadlinesOptions())
    with pytest.raises(InputError, match=r"no sentence-transformers model|needs the encoder extra"):
        run_headlines(configured(HeadlinesOptions(), out=tmp_path / "run", archive=save(good), encoder=str(tmp_path)))
    assert not (tmp_path / "run").exists()


def test_single_arm_tests_are_named(tmp_path, save, rng):
    archive = pd.concat([_archive(rng, 30), _archive(rng, 1, "lonely")[:1]])
    summary = read_json(run_headlines(_options(tmp_path, save(archive))) / "summary.json")
    assert any(note.startswith("archive.csv: 1 test of one text") for note in summary["notes"])
    assert summary["tests"] == 30


def test_one_line_and_code_2(capsys, save, rng):
    with pytest.raises(SystemExit) as stopped:
        main(["headlines", "--archive", str(save(_archive(rng, 1)))])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_line_runs_a_quick_one(save, rng, tmp_path):
    archive = save(_archive(rng, 12))
    main(["headlines", "--archive", str(archive), "--quick", "--traffic", "200", "--out", str(tmp_path / "quick")])
    assert read_json(tmp_path / "quick" / "summary.json")["tests"] == 12


def test_pairs_by_hand():
    arms = pd.DataFrame(
        {
            "group": [0, 0, 0],
            "impressions": [1000.0] * 3,
            "clicks": [10.0, 40.0, 40.0],
            "predicted": [0.3, 0.1, 0.1],
            "certainty": [5.0] * 3,
        }
    )
    found = judged_pairs(arms)
    # Two pairs differ in clicks; the first text is predicted ahead in both, and lost: 1% to 4%.
    assert found.right.tolist() == [0, 0]
    assert found.gap.tolist() == pytest.approx([3, 3])
    assert (found.z < -1.96).all()
    assert found.promised.tolist() == pytest.approx([1 / (1 + np.exp(-1.0))] * 2)


def test_reliability_by_hand():
    promised, right = np.array([0.6, 0.6, 0.9, 0.9]), np.array([1.0, 0.0, 1.0, 1.0])
    found = reliability(promised, right, bins=2)
    assert [row["kept"] for row in found["bins"]] == [0.5, 1.0]
    assert found["expected_calibration_error"] == pytest.approx(0.1)
    # -(log .6 + log .4 + 2 log .9) / 4
    assert found["log_loss"] == pytest.approx(0.4095, abs=1e-4)


def test_a_word_without_effect_does_not_matter(rng):
    frame = _archive(rng, 100).assign(group=lambda f: f.test_id, about="", story=0)
    found = what_matters(Archive(frame).contrasts)
    words = {row["name"]: row["effect"]["mean"] for row in found if row["kind"] == "word"}
    assert words["zebra"] == pytest.approx(1.7, abs=0.2)
    assert words.get("piano", 0.0) < 0.1


def test_clear_winners_are_called_and_equals_hardly_ever(rng):
    def tests(*rates: float) -> ArchiveTests:
        return ArchiveTests(np.tile(rates, 60), np.zeros(60 * len(rates)), np.arange(60) * len(rates))

    clear = winners(tests(0.05, 0.05, 0.3), (100, 4000), rng)
    assert clear[0]["called"] < clear[1]["called"]
    assert clear[1] == {"impressions": 4000, "called": 1.0, "wrong": 0.0}
    # Nearly alike: the first is never better, so whoever calls it is wrong.
    alike = winners(tests(0.05, 0.05 + 1e-9), (4000,), rng)
    assert alike[0]["called"] <= 0.15
    assert alike[0]["wrong"] <= alike[0]["called"]


def test_texts_that_differ_and_tests_dealt_unevenly_are_counted():
    # In the first test all three rates are told apart from the rest; in each of the others chance alone is at work.
    arms = pd.DataFrame(
        {
            "test_id": ["a"] * 3 + [f"b{i}" for i in range(20) for _ in range(2)],
            "group": [0] * 3 + [i + 1 for i in range(20) for _ in range(2)],
            "impressions": [4000.0] * 3 + [4000.0, 4010.0] * 18 + [4000.0, 8010.0, 4000.0, 5000.0],
            "clicks": [40.0, 120.0, 400.0] + [80.0, 81.0] * 18 + [80.0, 161.0, 80.0, 100.0],
            # One text was in two rows of its file: twice the impressions are its due.
            "rows": [1] * 40 + [2, 1, 1],
        }
    )
    assert differing(arms) == {"texts": 43, "alone": 3, "discoveries": 3}
    found = mismatched(arms)
    assert found.test_id.tolist() == ["b19"]
    # Chi-square of 4,000 and 5,000 against 4,500 each: 2 * 500^2 / 4500 = 111.
    assert found.p_value[0] == pytest.approx(5.6e-26, rel=0.05)
