"""`copybandit score`: headlines by a predictor, ads by the effect model of a run."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from copybandit.experiments.cli import main
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.scoring.headlines import to_tell
from copybandit.policies.effect.effect_file import save_effect
from copybandit.policies.effect.model import EffectConfig, fit_effect_model
from copybandit.simulation.logs import count_uniform

from .test_headlines import _archive


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """Left by `headlines`, on tests in which `zebra` is clicked nearly three times as often."""
    import numpy as np

    folder = tmp_path_factory.mktemp("headlines")
    _archive(np.random.default_rng(0), 60).to_csv(folder / "archive.csv", index=False)
    command = "headlines --splits 2 --traffic 200 --repetitions 1 --encoder none"
    main([*command.split(), "--archive", str(folder / "archive.csv"), "--out", str(folder / "run")])
    assert read_json(folder / "run" / "summary.json")["predictor"]["covered"] > 0.8
    return folder / "run" / "predictor"


@pytest.fixture
def effect(make_tiny_world, tmp_path):
    world = make_tiny_world(users=200)
    counts = count_uniform(world, world.catalog.ads, 100_000, torch.Generator().manual_seed(0))
    save_effect(fit_effect_model(counts, world.catalog, EffectConfig(steps=40)), tmp_path / "effect")
    return tmp_path / "effect"


def write(name: str, rows: str) -> None:
    Path(name).write_text(rows, encoding="utf-8")


def test_headlines_are_ranked_and_explained(predictor, capsys):
    write("t.csv", "Test,Headline\na,lemon piano\nb,alone here\na,zebra piano\na,tiger piano\n")
    main(["score", "t.csv", "--predictor", str(predictor), "--columns", "test_id=Test,text=Headline", "--out", "s"])
    scores = pd.read_parquet("s/scores.parquet")
    assert scores.text.tolist()[0] == "zebra piano" and scores.text.tolist()[3] == "alone here"
    assert scores.reasons[0].startswith("'zebra' +")
    assert scores.best[0] > 0.9 and pd.isna(scores.best[3])
    assert scores.to_tell[0] > 10 and scores.to_tell.isna().tolist() == [False, False, True, True]
    assert pd.read_csv("s/scores.csv").text.tolist() == scores.text.tolist()
    assert "Which would be clicked more" in Path("s/report.html").read_text(encoding="utf-8")
    told = capsys.readouterr().out
    assert "zebra piano" in told
    assert "lift, 95% interval           chance    text  | words that move it most" in told


def test_impressions_to_tell_two_rates_apart():
    """Fleiss: 2.0% from 2.5% takes 13,809 an arm at 80% power, without continuity correction."""
    found = to_tell([0.025, 0.02, 0.02, 0.01], [0, 0, 0, 1])  # pyright: ignore
    assert found[0] == 13_809 and found.isna().tolist() == [False, True, True, True]


def test_ads_are_ranked_by_what_the_run_learned(effect, tiny_catalog):
    ads = pd.DataFrame([(ad.product_id, ad.text) for ad in tiny_catalog.ads], columns=["product_id", "text"])
    ads.to_csv("ads.csv", index=False)
    main(["score", "ads.csv", "--predictor", str(effect), "--out", "s", "--reasons", "1", "--conversion-value", "0"])
    scores = pd.read_parquet("s/scores.parquet")
    assert scores.groupby("product_id").worth.apply(lambda worth: worth.is_monotonic_decreasing).all()
    assert (scores.worth - scores.ctr).abs().max() < 1e-6, "conversions count nothing"
    assert scores.groupby("product_id").lift.mean().abs().max() < 1e-9
    assert "Which would earn more" in Path("s/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("text\nOne\n \n", "row 3"),
        ("text\nOne\nTwo\nOne\n", "row 4: this text stands twice"),
        ("test_id,text\na,One\nb,One\na,One\n", "row 4: this text of test_id 'a' stands twice"),
        ("headline\nOne\n", "text"),
        ("text\n", "no rows"),
    ],
)
def test_bad_texts_are_refused(rows, says, capsys):
    write("t.csv", rows)
    with pytest.raises(SystemExit) as stopped:
        main(["score", "t.csv", "--out", "s"])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("product_id,text\nk9,One\n", "row 2: product 'k9' is not in the catalog"),
        ("product_id,text,audience\nk1,One,nobody\n", "row 2: audience 'nobody' is none that the model learned"),
        ("text\nOne\n", "product_id"),
    ],
)
def test_ads_of_strangers_are_refused(rows, says, effect, capsys):
    write("t.csv", rows)
    with pytest.raises(SystemExit) as stopped:
        main(["score", "t.csv", "--predictor", str(effect), "--out", "s"])
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


def test_the_texts_of_a_folder_of_a_log_are_scored_once_each(effect, tiny_catalog, capsys):
    rows = pd.DataFrame(
        {"product_id": [ad.product_id for ad in tiny_catalog.ads], "text": [ad.text for ad in tiny_catalog.ads]}
    )
    rows.to_csv("ads.csv", index=False)
    log = pd.concat([rows.assign(clicked=1)] * 3, ignore_index=True)
    for day, part in (("1", log[::2]), ("2", log[1::2])):
        Path(f"logs/date={day}").mkdir(parents=True)
        part.to_parquet(f"logs/date={day}/part.parquet")
    for name, source in (("one", "ads.csv"), ("many", "logs")):
        main(["score", source, "--predictor", str(effect), "--reasons", "0", "--out", name])
    by = ["product_id", "text"]
    one, many = (pd.read_parquet(f"{name}/scores.parquet").sort_values(by).worth.tolist() for name in ("one", "many"))
    assert many == pytest.approx(one, rel=1e-6)
    rows.assign(product_id="zz").to_parquet("logs/date=2/part.parquet")
    with pytest.raises(SystemExit):
        main(["score", "logs", "--predictor", str(effect), "--out", "s"])
    assert "date=2/part.parquet: row 2: product 'zz'" in capsys.readouterr().err
    rows[["text"]].assign(product_id="k1", audience="everyone").to_parquet("logs/date=2/part.parquet")
    with pytest.raises(SystemExit):
        main(["score", "logs", "--predictor", str(effect), "--out", "s"])
    assert "has other columns of product_id, audience, text, image than the files before" in capsys.readouterr().err


def test_odd_texts_are_scored_and_doubted(predictor, capsys):
    write("t.csv", "text\n" + "word " * 2000 + "\n猫为什么会游泳\n?!\n")
    main(["score", "t.csv", "--predictor", str(predictor), "--out", "s"])
    scores = pd.read_parquet("s/scores.parquet")
    assert scores.rate.between(0, 1).all() and scores.lift_high.notna().all()
    assert "Unlike those that the predictor learned from" in Path("s/report.html").read_text(encoding="utf-8")
    assert "unlike those that the predictor learned from" in capsys.readouterr().out


def test_a_rule_that_refuses_a_text_stands_beside_its_rate(predictor, effect, capsys):
    write("t.csv", "text\nClick here for a miracle\nA quiet headline\n")
    main(["score", "t.csv", "--predictor", str(predictor), "--out", "s"])
    found = pd.read_parquet("s/scores.parquet").set_index("text").refused
    assert found["Click here for a miracle"] == "banned-absolute; pressure" and found["A quiet headline"] == ""
    assert "refused: banned-absolute; pressure" in capsys.readouterr().out
    assert "Refused by" in Path("s/report.html").read_text(encoding="utf-8")
    main(["score", "t.csv", "--predictor", str(predictor), "--rules", "none", "--out", "none"])
    assert set(pd.read_parquet("none/scores.parquet").refused) == {""}
    write("ads.csv", f"product_id,text\nk1,{'long ' * 20}\nk1,Short\n")
    main(["score", "ads.csv", "--predictor", str(effect), "--platform", "marketplace-title", "--out", "ads"])
    assert set(pd.read_parquet("ads/scores.parquet").refused) == {"", "platform-length"}


def test_options_that_do_nothing_are_refused(predictor, capsys):
    write("t.csv", "text\nOne\nTwo\n")
    with pytest.raises(SystemExit):
        main(["score", "t.csv", "--predictor", str(predictor), "--conversion-value", "3", "--out", "s"])
    assert "--conversion-value does nothing with a predictor of headlines" in capsys.readouterr().err


def test_a_directory_in_use_is_refused(capsys):
    write("t.csv", "text\nOne\nTwo\n")
    with pytest.raises(SystemExit):
        main(["score", "t.csv", "--out", "."])
    assert "is there already" in capsys.readouterr().err


def test_a_model_that_another_writer_read_for_is_refused(make_tiny_world, capsys):
    """What the base would say of the texts is not what the model learned from."""
    world = make_tiny_world(users=200)
    counts = count_uniform(world, world.catalog.ads, 20_000, torch.Generator().manual_seed(0))
    reads = lambda creatives: torch.tensor([[float(len(creative.text))] for creative in creatives])  # noqa: E731
    save_effect(fit_effect_model(counts, world.catalog, EffectConfig(steps=5), reads=reads), Path("effect"))
    write("t.csv", "product_id,text\nk1,One\n")
    with pytest.raises(SystemExit) as stopped:
        main(["score", "t.csv", "--predictor", "effect", "--out", "s"])
    assert stopped.value.code == 2
    assert "another writer than the base" in capsys.readouterr().err
