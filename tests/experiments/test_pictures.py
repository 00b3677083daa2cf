"""Creatives with a picture, from the catalog to the report: chosen with the text, placed with it, shown beside it."""

import json
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
import torch
from copybandit.agents.state import load_agent
from copybandit.experiments.analysis.drawing.run_files import RunFiles
from copybandit.experiments.analysis.loop.pictures_sections import pictures
from copybandit.experiments.cli import main
from copybandit.experiments.harness.config import configured
from copybandit.experiments.loop import run_loop
from copybandit.experiments.placing.combinations import _alone, _beside_best, _capture, arm_features, combinations
from copybandit.experiments.placing.options import LoopOptions
from copybandit.experiments.study.pictures import LOGGED, beside_pictures
from copybandit.experiments.writing.picturing import Pairs, best_pictures
from copybandit.policies.effect.contract import Prediction
from copybandit.policies.effect.reasons import reasons_of_ads
from copybandit.policies.pictures.columns import PictureTable
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.pictures.gallery import drawn_for

TINY = Path(__file__).parent.parent / "data" / "tiny.yaml"
SMALL = {
    "scenario": str(TINY),
    "users": 40,
    "log_impressions": 4000,
    "validation_impressions": 2000,
    "effect.steps": 20,
    "model": "built-in",
    "writer.layers": 1,
    "writer.width": 32,
    "writer.heads": 2,
    "writer.vocabulary": 400,
    "writer.max_new_tokens": 8,
    "warm_start.lines": 160,
    "algorithm": "raft",
    "raft.texts": 4,
    "raft.passes": 1,
    "raft.batch": 4,
    "reward.claims": "off",
    "place_impressions": 2048,
    "place_products": 4,
    "image_encoder": "plain",
}


def loop(out: Path, **changes: object) -> Path:
    return run_loop(configured(LoopOptions(), out=out, **(SMALL | changes)))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return loop(tmp_path_factory.mktemp("pictures") / "run", images="drawn", drawn_images=3)


def test_texts_stand_beside_pictures_of_their_product(run):
    creatives = pd.read_parquet(run / "creatives.parquet")
    assert all(
        image.startswith(f"{product}.") for product, image in zip(creatives.product_id, creatives.image, strict=True)
    )
    assert set(creatives.image[creatives.writer == "untuned"].str[-1]) == {"0"}
    assert len(set(creatives.image[creatives.writer == "tuned"].str[-1])) > 1


def test_every_way_of_choosing_is_judged(run):
    told = json.loads((run / "summary.json").read_text())["pictures"]
    assert list(told["ways"]) == ["text alone", "picture alone", "one after the other", "jointly"]
    placed = told["placing"]
    assert [placed[way]["capture"]["mean"] for way in ("chance", "oracle")] == [0.0, 1.0]
    assert placed["oracle"]["reward"]["mean"] > placed["jointly"]["reward"]["mean"]


def test_the_report_shows_what_was_chosen(run):
    files = RunFiles(run)
    shown = set(files.creatives.image)
    assert shown == set(files.pictures)
    page = (run / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2 * 4
    assert 'alt="Picture k1.0 of iron pan"' in page
    section = pictures(files)
    assert section is not None
    assert [len(table.rows) for table in section.tables] == [4, 7]


def test_who_places_knows_the_pictures(run):
    assert {c.image for c in load_agent(run / "placement").labels.creatives} <= set(RunFiles(run).creatives.image)
    assert "image_id" in pd.read_parquet(run / "log.parquet")


def test_a_score_tells_pictures_apart(run, capsys):
    rows = [("k1", "Save on the iron pan.", f"k1.{i}") for i in range(3)]
    pd.DataFrame(rows, columns=["product_id", "text", "image"]).to_csv("ads.csv", index=False)
    main(["score", "ads.csv", "--predictor", str(run / "effect"), "--out", "scored"])
    assert pd.read_csv("scored/scores.csv").ctr.nunique() == 3
    pd.DataFrame([("k1", "Save.", "o1.0")], columns=["product_id", "text", "image"]).to_csv("ads.csv", index=False)
    with pytest.raises(SystemExit):
        main(["score", "ads.csv", "--predictor", str(run / "effect"), "--out", "again"])
    assert "row 2: 'o1.0' is no picture of product 'k1'" in capsys.readouterr().err


def test_a_picture_is_a_reason():
    class Effect:
        """A second picture earns a tenth more, whatever the text."""

        def predict(self, creatives):
            rate = torch.tensor([0.11 if c.image == "a1" else 0.1 for c in creatives])
            logits = torch.stack([rate, torch.full_like(rate, 0.5)], dim=1).logit()[None]
            return Prediction(torch.zeros_like(logits), logits)

    told = reasons_of_ads(Effect(), [Creative("a", "a lamp", image="a1"), Creative("a", "a lamp")], value=0.0)
    assert told[0][0][0] == "(picture)"
    assert told[0][0][1] == pytest.approx(0.1)
    assert "(picture)" not in dict(told[1])


def test_the_same_seed_chooses_the_same(run, tmp_path):
    again = loop(tmp_path / "again", images="drawn", drawn_images=3)
    first, second = (pd.read_parquet(path / "creatives.parquet") for path in (run, again))
    pd.testing.assert_frame_equal(first, second)


@pytest.fixture
def own_catalog() -> Path:
    """Real pictures that installed packages carry."""
    ours = Path("pictures")
    ours.mkdir()
    sources = [Path(sklearn.datasets.__file__).parent / "images" / name for name in ("china.jpg", "flower.jpg")]
    sources += [Path(matplotlib.get_data_path()) / "sample_data" / name for name in ("grace_hopper.jpg", "logo2.png")]
    for source in sources:
        (ours / source.name).write_bytes(source.read_bytes())
    table = pd.read_csv(TINY.parent / "tiny" / "catalog.csv")
    table["images"] = [
        "pictures/china.jpg; pictures/flower.jpg",
        "pictures/grace_hopper.jpg;pictures/logo2.png",
        "",
        "",
    ]
    table.to_csv("catalog.csv", index=False)
    return Path("catalog.csv")


def test_a_catalog_brings_its_own(own_catalog):
    ads = TINY.parent / "tiny" / "ads.csv"
    run = loop(Path("own"), catalog=own_catalog, ads=ads)
    creatives = pd.read_parquet(run / "creatives.parquet")
    assert set(creatives.image[creatives.product_id == "k1"]) <= {"pictures/china.jpg", "pictures/flower.jpg"}
    assert set(creatives.image[creatives.product_id == "o1"]) == {""}
    blind = loop(Path("blind"), catalog=own_catalog, ads=ads, images="none")
    assert "image" not in pd.read_parquet(blind / "creatives.parquet")
    assert "pictures" not in json.loads((blind / "summary.json").read_text())


def test_a_picture_that_is_missing_is_named_before_anything_is_written(own_catalog, capsys):
    Path("pictures/flower.jpg").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["loop", "--catalog", "catalog.csv", "--out", "run"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "catalog.csv: row 2: product 'k1': " in said
    assert "flower.jpg: no such picture; correct the path or leave it out" in said
    assert not Path("run").exists()


def test_a_world_of_a_log_sees_no_pictures():
    with pytest.raises(InputError, match="see no pictures"):
        loop(Path("run"), scenario=str(_fitted()), images="drawn")


def _fitted() -> Path:
    from copybandit.experiments.calibrate import CalibrateOptions, run_calibrate
    from copybandit.simulation.logs import log_frame, uniform_slates
    from copybandit.simulation.scenario import load_scenario
    from copybandit.simulation.world import make_world

    scenario, catalog = load_scenario(TINY)
    world = make_world(scenario, catalog, seed=0, users=40)
    candidates, visits = world.publish(catalog.ads), world.visitors(3000)
    slates = uniform_slates(3000, candidates, 2, torch.Generator().manual_seed(0))
    log_frame(world, world.respond(visits, slates), torch.full((3000, 2), 0.1)).to_parquet("log.parquet")
    options = configured(CalibrateOptions(), logs=Path("log.parquet"), scenario=str(TINY), out=Path("fit"))
    return run_calibrate(options) / "world.safetensors"


@pytest.fixture
def lamp() -> Catalog:
    return Catalog([Product("a", "lamp", "home", 1.0, images=("a0", "a1", "a2")), Product("b", "mat", "home", 1.0)])


def test_a_text_is_logged_beside_several_pictures(lamp):
    texts = [Creative("a", "x"), Creative("a", "y", image="a2"), Creative("b", "z")]
    shown = beside_pictures(lamp, texts, seed=0)
    assert len([c for c in shown if c.text == "x"]) == LOGGED
    assert len({c.image for c in shown if c.text == "x"}) == LOGGED
    assert [c.image for c in shown if c.text in "yz"] == ["a2", ""]


def test_arms_of_one_text_or_one_picture(lamp):
    shown = combinations(lamp, [Creative("a", "x"), Creative("a", "y"), Creative("b", "z")])
    assert [(c.text, c.image) for c in shown[2:4]] == [("x", "a2"), ("y", "a0")]
    texts, pictures = _alone(shown, lamp)
    assert [(shown[i].text, shown[i].image) for i in texts] == [("x", "a0"), ("y", "a0"), ("z", "")]
    assert [(shown[i].text, shown[i].image) for i in pictures] == [("x", "a0"), ("x", "a1"), ("x", "a2"), ("z", "")]
    earned = torch.tensor([0.1, 9.0, 9.0, 0.2, 0.0, 0.0, 0.3])
    kept = _beside_best(shown, texts, earned)
    assert {(shown[i].text, shown[i].image) for i in kept} == {("y", "a0"), ("y", "a1"), ("y", "a2"), ("z", "")}


def test_capture_by_hand():
    assert _capture(np.array([3.0, 10.0, 1.0, 10.0, 5.0, 10.0])) == pytest.approx(0.5)


def test_features_of_an_arm(lamp):
    catalog, gallery = drawn_for(lamp, 3, seed=0)
    shown = combinations(
        catalog, [Creative("a", "a warm lamp"), Creative("a", "light at night"), Creative("b", "a mat")]
    )
    features = arm_features(shown, catalog, PictureTable.of(gallery, None))
    assert features[:, 0].tolist() == [1.0] * 9
    assert features[:, 1:3].tolist() == [[1.0, 0.0]] * 6 + [[0.0, 1.0]] * 3
    # Beside the same picture, texts differ in their own columns and in the crossed ones alone.
    assert len({tuple(row) for row in features.tolist()}) == 9


class Worth:
    """A reward that pays for certain pictures beside certain texts."""

    pays = {("x", "a1"): 2.0, ("y", "a2"): 3.0, ("x", "a0"): 1.0}

    def worth(self, creatives):
        return torch.tensor([self.pays.get((c.text, c.image or "a0"), 0.0) for c in creatives])


@pytest.fixture
def scored():
    class Texts:
        texts = [Creative("a", "x"), Creative("a", "y"), Creative("b", "z")]
        group, pattern = torch.tensor([0, 0, 1]), torch.arange(3)
        quality, failures, refused = torch.tensor([1.0, 0.5, 0.0]), torch.zeros(3), torch.zeros(3)
        reward = Worth()

    return Texts()


def test_the_best_picture_for_a_text(lamp):
    texts = [Creative("a", "x"), Creative("a", "y"), Creative("b", "z")]
    best, gained = best_pictures(texts, lamp, Worth())
    assert [c.image for c in best] == ["a1", "a2", ""]
    assert gained.tolist() == [1.0, 3.0, 0.0]


def test_pairs_are_worth_what_their_picture_adds(scored, lamp):
    pairs = Pairs.of(scored, lamp)
    assert [(c.text, c.image) for c in pairs.texts] == [("x", "a1"), ("y", "a2"), ("z", "")]
    assert pairs.quality.tolist() == [2.0, 3.5, 0.0]
    assert torch.equal(pairs.group, scored.group)


def test_a_text_that_was_scored_twice_is_looked_at_once(scored, lamp):
    scored.texts = scored.texts[:1] * 2 + scored.texts[1:]
    scored.group, scored.pattern = torch.tensor([0, 0, 0, 1]), torch.arange(4)
    scored.quality, scored.failures = torch.tensor([1.0, 1.5, 0.5, 0.0]), torch.zeros(4)
    scored.refused = torch.zeros(4)
    pairs = Pairs.of(scored, lamp)
    assert [c.text for c in pairs.texts] == ["x", "x", "y", "z"]
    assert pairs.quality.tolist() == [2.0, 2.5, 3.5, 0.0]
