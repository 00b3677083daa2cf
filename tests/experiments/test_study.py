"""What a study asks for: queries where visitors bring them, segments declared or found."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.experiments.analysis.loop.segments_sections import stands_out
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.run import Run
from copybandit.experiments.study.shop import _log_segments, shop_study
from copybandit.experiments.study.study import prompts
from copybandit.experiments.writing.options import TuneOptions
from copybandit.simulation.data import log_sample
from copybandit.simulation.data.catalog import Creative, Product
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.logs import log_frame, uniform_slates
from copybandit.simulation.scenario import load_scenario
from copybandit.simulation.world_file import open_world

SMALL = {
    "model": "built-in",
    "users": 60,
    "log_impressions": 3000,
    "effect.steps": 10,
    "writer.width": 32,
    "writer.vocabulary": 400,
}


def study(tmp_path, **changes: object):
    options = configured(TuneOptions(), **(SMALL | {"out": tmp_path / "run"} | changes))
    run = Run("tune", options)
    return shop_study(options, run), run


def test_products_take_the_queries_of_their_category_in_turns():
    _, catalog = load_scenario("support")
    asked = prompts(catalog, ("nobody",), 6)
    category = {query.text: query.category for query in catalog.queries}
    assert all(category[query] == product.category for product, query in asked)
    by_product = pd.Series([product.product_id for product, _ in asked]).value_counts()
    assert set(by_product) == {6}
    assert len({query for _, query in asked}) == len(catalog.queries)
    assert len(prompts(catalog, (), 100)) == sum(
        sum(query.category == product.category for query in catalog.queries) for product in catalog.products
    )


def test_what_an_answer_is_worth_is_learned_from_the_log(tmp_path):
    """Of two texts alike but for the query's words, the one that says them is worth more to the effect model."""
    found, _ = study(tmp_path, scenario="support", log_impressions=60_000, **{"effect.steps": 25})
    product = next(product for product in found.catalog.products if product.product_id == "account-01")
    query = "reset password by text"
    texts = ["A password reset by text, in a minute.", "A new secret word, in a minute."]
    asked = found.effect.predict([Creative(product.product_id, text, query) for text in texts]).text.mean(0)
    plain = found.effect.predict([Creative(product.product_id, text) for text in texts]).text.mean(0)
    gain = (asked - plain)[:, 0]
    assert gain[0] > 0.15  # on the scale of the click's log-odds; all of the query's words are said
    assert gain[1].abs() < 1e-5  # none of them is
    assert all(audience in {q.text for q in found.catalog.queries} for audience in found.audiences)


def test_a_writer_that_can_write_has_a_pilot_in_the_log(tmp_path):
    """Different texts of its own, beside the ads that the writer is to learn from, which stay what they were."""
    few = {"scenario": "shop", "products": 8, "log_impressions": 4000, "effect.steps": 5}
    piloted, _ = study(tmp_path / "base", **few, model="base", pilot_texts=20)
    assert 10 <= piloted.pilot <= 20
    without, _ = study(tmp_path / "none", **few, model="base", pilot_texts=0)
    learns_first, _ = study(tmp_path / "built-in", **few, pilot_texts=20)
    assert without.pilot == learns_first.pilot == 0
    known = {ad for ad in load_scenario("shop")[1].ads if ad.product_id in without.catalog.index}
    assert set(piloted.catalog.ads) == set(without.catalog.ads) == known


def test_segments_are_found_and_prompted_for(tmp_path, tiny_file):
    declared, run = study(tmp_path, scenario=str(tiny_file))
    assert declared.audiences == ("savers", "makers")
    profile = pd.read_csv(run.path / "segments.csv")
    assert profile.segment.tolist() == ["savers", "makers"]
    assert profile.users.sum() == 60
    found, run = study(tmp_path / "found", scenario=str(tiny_file), segments=3, segments_by="mixture")
    assert len(found.audiences) == 3
    assert found.world.audience.segments == found.audiences
    assert found.world.traffic.context_names[1] == f"segment={found.audiences[0]}"
    assert torch.equal(found.world.audience.tastes, declared.world.audience.tastes)
    assert pd.read_csv(run.path / "segments.csv").segment.tolist() == list(found.audiences)


def test_a_study_asks_for_no_product_that_its_catalog_lacks(tmp_path, tiny_file):
    found, _ = study(tmp_path, scenario=str(tiny_file))
    asked = (*found.asked, (Product("zz", "who", "kitchen", 1.0), "savers"))
    with pytest.raises(InputError, match="a text is for product 'zz', which the catalog does not have; add"):
        replace(found, asked=asked)


@pytest.fixture
def log(tmp_path, tiny_world):
    """A log in which nobody's segment is known."""
    candidates = tiny_world.publish(tiny_world.catalog.ads)
    visits = tiny_world.visitors(1500)
    slates = uniform_slates(1500, candidates, 2, torch.Generator().manual_seed(0))
    frame = log_frame(tiny_world, tiny_world.respond(visits, slates), torch.full(slates.shape, 0.1))
    path = tmp_path / "log.csv"
    frame.drop(columns="user_segment").to_csv(path, index=False)
    return path


def test_visitors_of_unknown_segment_are_a_segment_that_no_text_is_written_for(tmp_path, tiny_file, log, caplog):
    frame = pd.read_csv(log)
    named = np.array(["locals", None, "guests"], dtype=object)[pd.factorize(frame.user_id)[0] % 3]
    frame.assign(user_segment=named).to_csv(log, index=False)
    with caplog.at_level("INFO", "copybandit.understood"):
        found, run = study(tmp_path, scenario=str(tiny_file), logs=log)
    assert f"{pd.isna(named).sum():,} rows with no user_segment as 'unknown'" in caplog.text
    assert set(pd.read_csv(run.path / "segments.csv").segment) == {"locals", "guests", "unknown"}
    assert set(found.audiences) == {"locals", "guests", "everyone"}


def test_a_log_that_names_no_segments_is_divided_by_what_its_users_did(tmp_path, tiny_file, log):
    found, run = study(tmp_path, scenario=str(tiny_file), logs=log, segments=2)
    assert set(pd.read_csv(run.path / "segments.csv").segment) <= set(found.audiences)
    assert len(set(found.audiences) - {"everyone"}) == 2  # who came in no row that segments were found by is everyone
    auto, _ = study(tmp_path / "auto", scenario=str(tiny_file), logs=log)
    assert len(auto.audiences) >= 2


def test_a_folder_of_a_log_is_learned_from_as_one_file_and_of_a_larger_one_whole_users(
    tmp_path, tiny_file, tiny_world, log, monkeypatch
):
    frame = pd.read_csv(log)
    frame["timestamp"] = pd.to_datetime(frame.timestamp, format="ISO8601")
    frame["user_segment"] = np.where(frame.user_id.astype("category").cat.codes % 2, "one", "two")
    half = frame.impression_id.drop_duplicates().iloc[700]
    split = frame.index[frame.impression_id == half][0]
    (tmp_path / "logs").mkdir()
    frame[:split].to_parquet(tmp_path / "logs" / "a.parquet")
    frame[split:].to_parquet(tmp_path / "logs" / "b.parquet")
    frame.to_parquet(tmp_path / "one.parquet")
    one, _ = study(tmp_path / "of one", scenario=str(tiny_file), logs=tmp_path / "one.parquet")
    folder, _ = study(tmp_path / "of many", scenario=str(tiny_file), logs=tmp_path / "logs")
    assert folder.audiences == one.audiences
    assert folder.effect_metrics == one.effect_metrics
    assert folder.notes == one.notes
    monkeypatch.setattr(log_sample, "MOST_ROWS", 2000)  # of 3,000
    part, _ = study(tmp_path / "of some", scenario=str(tiny_file), logs=tmp_path / "logs")
    said = [note for note in part.notes if note.startswith("The effect model learned from a part of your log: ")]
    assert "of 3,000 rows: the fit is to 50.000% of users, drawn by --seed, with all that they saw" in said[0]
    assert part.effect_metrics != one.effect_metrics


@pytest.mark.parametrize("number", [1, -1, 51])
def test_a_number_of_segments_that_makes_no_sense_is_refused(number):
    with pytest.raises(InputError, match=f"--segments {number}: give 2 to 50, auto, or 0"):
        configured(TuneOptions(), segments=number)


def test_what_stands_out_by_hand():
    """Two thirds of users look at the kitchen only, one third at toys only: everybody's share is 2/3 and 1/3."""
    profile = pd.DataFrame(
        {"segment": ["a", "b"], "users": [20, 10], "share": [2 / 3, 1 / 3], "kitchen": [1.0, 0.0], "toys": [0.0, 1.0]}
    )
    assert stands_out(profile, 0) == "kitchen 100% (all 67%)"
    assert stands_out(profile, 1) == "toys 100% (all 33%)"


def test_a_part_of_a_catalog_learns_from_its_part_of_a_log(tmp_path, tiny_file, log):
    found, _ = study(tmp_path, scenario=str(tiny_file), logs=log, products=2)
    kept = set(found.catalog.index)
    assert len(kept) == 2 and {product.product_id for product, _ in found.asked} == kept
    assert {ad.product_id for ad in found.catalog.ads} == kept


def test_segments_do_not_foretell_the_clicks_that_they_were_found_by(tiny_file, tmp_path):
    """Clicks that are pure chance: who clicked once belongs to those who click, and clicks no more for that."""
    world = open_world(str(tiny_file), seed=0, users=300)
    rng, n = np.random.default_rng(0), 6000
    ads = world.catalog.ads
    which = rng.integers(len(ads), size=n)
    frame = pd.DataFrame(
        {
            "impression_id": np.arange(n),
            "user_id": rng.integers(1500, size=n),
            "channel": rng.choice(list(world.scenario.channels), size=n),
            "position": 0,
            "product_id": [ads[i].product_id for i in which],
            "text": [ads[i].text for i in which],
            "clicked": (rng.random(n) < 0.1).astype(int),
        }
    )
    catalog, options = world.catalog, configured(TuneOptions(), scenario=str(tiny_file), segments=4)
    table, _, learned = _log_segments(frame, np.arange(n) % 10, catalog, options)
    assert learned.sum() == 0.4 * n
    of = table[learned].groupby("user_segment").clicked.agg(["sum", "size"])
    error = ((of["sum"] / of["size"] - 0.1) / np.sqrt(0.1 * 0.9 / of["size"])).abs()
    assert len(of) > 1 and error.max() < 3
