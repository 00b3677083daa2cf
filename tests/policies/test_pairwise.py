import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.policies.compliance.filter import Compliance
from copybandit.policies.effect.contract import CLICK, CONVERT
from copybandit.policies.effect.effect_file import read_effect, save_effect
from copybandit.policies.headlines.pairwise import PairwiseConfig, PairwiseEffect, fit_pairwise_effect
from copybandit.policies.reward.reward import Quality, Reward, RewardConfig
from copybandit.simulation.archive.contrasts import agreement
from copybandit.simulation.data.catalog import Catalog, Creative, Product

FILLERS = ["river", "garden", "mayor", "bridge", "window", "market", "summer", "letter", "engine", "forest"]


def make_arms(tests: int = 150, seed: int = 0) -> pd.DataFrame:
    """'secret' raises the log-odds of a click by 0.5; 'honest' those of a conversion by 1."""
    rng = np.random.default_rng(seed)
    rows = []
    for test in range(tests):
        level = rng.normal(-3.5, 0.4)
        for _ in range(4):
            draw, tone = rng.choice(["secret", "story"]), rng.choice(["honest", "funny"])
            text = f"The {tone} {draw} of the {rng.choice(FILLERS)} and the {rng.choice(FILLERS)}"
            clicks = rng.binomial(4000, 1 / (1 + np.exp(-level - 0.5 * (draw == "secret"))))
            conversions = rng.binomial(clicks, 1 / (1 + np.exp(2 - (tone == "honest"))))
            rows.append((test, test, text, 4000, clicks, conversions))
    return pd.DataFrame(rows, columns=["group", "story", "text", "impressions", "clicks", "conversions"])


@pytest.fixture(scope="module")
def model():
    return fit_pairwise_effect(make_arms(), seed=0)


def _predict(model, *texts: str) -> torch.Tensor:
    return model.predict([Creative("p", text) for text in texts]).text


def test_members_by_texts_by_heads(model):
    prediction = model.predict([Creative("p", "The honest secret"), Creative("q", "")])
    assert prediction.text.shape == prediction.context.shape == (6, 2, 2)
    assert prediction.text.isfinite().all()
    assert ((prediction.rates > 0) & (prediction.rates < 1)).all()


def test_finds_which_word_earns_clicks_and_which_conversions(model):
    plain, secret, honest = _predict(
        model,
        "The funny story of the river and the mayor",
        "The funny secret of the river and the mayor",
        "The honest story of the river and the mayor",
    ).mean(0)
    assert float(secret[CLICK] - plain[CLICK]) == pytest.approx(0.5, abs=0.2)
    assert abs(float(honest[CLICK] - plain[CLICK])) < 0.15
    assert float(honest[CONVERT] - plain[CONVERT]) > 0.4
    assert abs(float(secret[CONVERT] - plain[CONVERT])) < 0.3


def test_agrees_with_tests_it_has_not_seen(model):
    unseen = make_arms(seed=9)
    found = agreement(unseen, _predict(model, *unseen.text)[..., CLICK].mean(0).double().numpy())
    assert found.accuracy_significant > 0.9
    assert found.slope == pytest.approx(1.0, abs=0.3)


def test_the_level_of_a_group_does_not_matter():
    arms = make_arms(60)
    rich = arms.assign(clicks=arms.clicks * 2, impressions=arms.impressions * 2)
    rich.loc[arms.group % 2 == 0, ["impressions"]] *= 3
    words = ["The funny secret of the river", "The funny story of the river"]
    gaps = [float(_predict(fit_pairwise_effect(table), *words).mean(0)[:, CLICK].diff()) for table in (arms, rich)]
    assert gaps[0] == pytest.approx(gaps[1], abs=0.1)


def test_members_disagree_more_where_evidence_is_thin():
    rich, thin = make_arms(200), make_arms(20)
    texts = make_arms(30, seed=4).text.tolist()
    spread = [float(_predict(fit_pairwise_effect(arms), *texts)[..., CLICK].std(0).mean()) for arms in (rich, thin)]
    assert spread[0] > 0
    assert spread[1] > spread[0]


def test_without_conversions_that_head_says_nothing():
    model = fit_pairwise_effect(make_arms(30).drop(columns="conversions"))
    assert (_predict(model, "The honest secret")[..., CONVERT] == 0).all()


def test_the_same_seed_gives_the_same_model():
    arms = make_arms(40)
    first, again, other = (_predict(fit_pairwise_effect(arms, seed=s), *arms.text[:5]) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_progress_is_told_a_member_at_a_time():
    told: list[int] = []
    fit_pairwise_effect(make_arms(20), PairwiseConfig(members=4), progress=told.append)
    assert told == [1, 1, 1, 1]


def test_the_reward_takes_it_as_it_is(model):
    catalog = Catalog([Product("p", "a story", "news", 0.0)], [Creative("p", "The honest secret of the river")])
    texts = make_arms(20, seed=3).text.tolist()[:40]
    creatives = [Creative("p", text) for text in texts]
    group = torch.arange(10).repeat_interleave(4)
    reward = Reward(
        model,
        Quality.of(catalog, naming=False),
        Compliance.of(catalog),
        RewardConfig(w_ctr=1, w_cvr=0, w_div=0, pessimism=0),
    )
    reward.freeze(creatives, group)
    total = reward(creatives, group).total
    secret = torch.tensor(["secret" in text for text in texts])
    assert total[secret].mean() > total[~secret].mean() + 1


def test_what_was_saved_predicts_the_same(model, tmp_path):
    save_effect(model, tmp_path / "effect")
    again = PairwiseEffect.restored(read_effect(tmp_path / "effect")[1])
    texts = [Creative("", text) for text in ("The honest secret of the mayor", "WHAT a river!", "?")]
    assert torch.allclose(again.predict(texts).text, model.predict(texts).text, atol=1e-5)
    assert torch.allclose(again.predict(texts).rates, model.predict(texts).rates, atol=1e-6)
