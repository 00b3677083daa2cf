"""Invented products in a catalog's places: the reward about them is the run's own, and holds texts to them."""

from itertools import islice

import pytest
import torch
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.run import Run
from copybandit.experiments.study.imagined import _about, imagined
from copybandit.experiments.study.shop import shop_study
from copybandit.experiments.writing.options import TuneOptions
from copybandit.experiments.writing.tuning import frozen_reward
from copybandit.simulation.data.catalog import Creative

FEW = {"scenario": "shop", "products": 8, "users": 60, "log_impressions": 4000, "effect.steps": 5, "pilot_texts": 0}
FEW |= {"scale_prompts": 8}


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    options = configured(TuneOptions(), out=tmp_path_factory.mktemp("imagined") / "run", **FEW)
    study = shop_study(options, Run("tune", options))
    return study, frozen_reward(study, options), options.reward


def test_about_its_own_catalog_the_reward_says_what_it_said(parts):
    study, reward, config = parts
    texts = [Creative(p.product_id, f"Meet the {p.title}.", who) for p, who in study.asked[:6]]
    texts += [Creative(study.asked[0][0].product_id, "Another thing, free today!", study.asked[0][1])]
    again, first = (r(texts, torch.arange(7)) for r in (_about(study.catalog, study, reward, config), reward))
    assert again.total.tolist() == pytest.approx(first.total.tolist())
    assert first.total.std() > 0


def test_invented_products_stand_in_the_places_of_the_catalogs(parts):
    study, reward, config = parts
    (asked, about), (others, _) = islice(imagined(study, study.asked[:20], reward, config, seed=0), 2)
    place = lambda pairs: [(p.product_id, p.category, who) for p, who in pairs]  # noqa: E731
    assert place(asked) == place(others) == place(study.asked[:20])
    titles = [{p.title for p, _ in part} for part in (asked, others, study.asked)]
    assert titles[0].isdisjoint(titles[1] | titles[2])
    (mine, who), (theirs, _) = asked[0], study.asked[0]
    named = [
        Creative(mine.product_id, f"The {p.title} is here, made for a day like this.", who) for p in (mine, theirs)
    ]
    off_topic = lambda judge: ["off_topic" in said for said in judge.quality.said(named)]  # noqa: E731
    assert off_topic(about) == [False, True]
    assert off_topic(reward) == [True, False]
    again = next(imagined(study, study.asked[:20], reward, config, seed=0))[0]
    assert again == asked
