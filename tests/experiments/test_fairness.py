"""Who was shown what: measures by hand, sums of a placement known beforehand, constraint and price in the report."""

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.experiments.analysis.fairness import measures
from copybandit.experiments.analysis.fairness.logs import group_rates, group_sums
from copybandit.experiments.analysis.fairness.tables import fairness_of, gap, interval
from copybandit.experiments.compare import CompareOptions, run_compare
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.offline import OfflineOptions, run_offline
from copybandit.experiments.placing.options import LoopOptions
from copybandit.experiments.serving.exposures import PRICES, Exposure, Exposures, clusters, price_thirds
from copybandit.experiments.serving.serve import Fixed, serve
from copybandit.simulation.data.catalog import Catalog, Product
from copybandit.simulation.data.errors import InputError


def test_exposure_by_hand():
    """Slots looked at with 1 and .5: who stands on top of two slates and below in one has 2.5 of 4.5."""
    looks = np.array([2.5, 0.5, 1.5])
    assert measures.exposure(looks) == pytest.approx([2.5 / 4.5, 0.5 / 4.5, 1.5 / 4.5])


def test_reach_by_hand():
    shown, visits = np.array([[3.0, 1.0], [0.0, 4.0]]), np.array([4.0, 8.0])
    assert measures.reach(shown, visits).tolist() == [[0.75, 0.25], [0.0, 0.5]]


def test_the_parity_gap_is_that_of_the_kind_that_differs_most():
    rates = np.array([[0.5, 0.2, 0.3], [0.4, 0.5, 0.1], [np.nan, np.nan, np.nan]])
    value, kind, most, least = measures.parity_gap(rates)
    assert (value, kind, most, least) == (pytest.approx(0.3), 1, 1, 0)


def test_shortfall_and_inequality_by_hand():
    shares = np.array([0.05, 0.15, 0.0, 0.8])
    assert measures.shortfall(shares, 0.1) == pytest.approx(0.05 + 0.1)
    assert measures.shortfall(shares, 0.0) == 0
    assert measures.inequality(np.full(4, 0.25)) == pytest.approx(0.0)
    assert measures.inequality(np.array([0.0, 0.0, 0.0, 1.0])) == pytest.approx(3 / 4)


def test_price_thirds_by_hand():
    """Terciles of 1, 2, 3, 4, 5, 6 are 2.67 and 4.33; of one price all are in the first."""
    products = [Product(str(p), "x", "y", float(p)) for p in (5, 1, 4, 2, 6, 3)]
    assert price_thirds(Catalog(products)).tolist() == [2, 0, 1, 0, 2, 1]
    assert price_thirds(Catalog([Product(str(i), "x", "y", 3.0) for i in range(3)])).tolist() == [0, 0, 0]


def test_users_are_clusters_of_their_own_segment():
    segment = torch.tensor([0, 1, 1, 0, 1, 0])
    alone, of = clusters(segment, 6)
    assert alone.tolist() == [0, 1, 2, 3, 4, 5] and torch.equal(of, segment)
    joined, of = clusters(segment, 4)
    assert len(of) == 4 and torch.equal(of[joined], segment)


def test_sums_are_those_of_what_was_shown(tiny_world):
    """Everybody is shown creatives 0 and 11, of kitchen and outdoor, in slots looked at with their chances."""
    candidates = tiny_world.publish(tiny_world.catalog.ads)
    seen = Exposures(tiny_world)
    slate = candidates[[0, 11]]
    serve(tiny_world, Fixed(lambda visits, _: slate.expand(len(visits), 2)), candidates, 400, [seen], batch=100)
    found = seen.total
    top, below = tiny_world.examination.double().T
    visits = torch.tensor(found.by_channel[:, :, 0]).sum(0)
    assert visits.sum() == 400
    assert found.by_channel.sum((0, 1))[1] == pytest.approx(float((visits * (top + below)).sum()))
    names = found.kinds
    of_kitchen, reached = names.index("category: kitchen") + 4, names.index("category: kitchen") + 4 + len(names)
    assert found.by_channel.sum((0, 1))[of_kitchen] == pytest.approx(float((visits * top).sum()))
    assert found.by_channel.sum((0, 1))[reached] == 400
    product = dict(zip(found.products, found.by_product.sum(0), strict=True))
    assert product["k1"] == pytest.approx(float((visits * top).sum()))
    assert product["k2"] == 0 and product["o2"] == pytest.approx(float((visits * below).sum()))
    again = Exposure.of_flat(**found.flat())
    assert np.allclose(again.by_channel, found.by_channel, rtol=1e-6) and again.products == found.products


def planted(users=400, seed=0) -> Exposure:
    """Two segments, of which the second clicks twice as often and is shown no dear product; one channel."""
    rng = np.random.default_rng(seed)
    segment = np.arange(users) % 2
    visits = rng.integers(5, 20, users).astype(float)
    clicks = rng.binomial(visits.astype(int), np.where(segment, 0.2, 0.1)).astype(float)
    dear = np.where(segment, 0.0, visits)
    columns = [visits, visits, clicks, 0 * clicks, visits - dear, dear, visits - dear, dear]
    by_product = np.stack([visits - dear, dear], 1)
    rows = np.stack(columns, 1)[:, None]
    return Exposure(("a", "b"), ("feed",), ("cheap", "dear"), ("p", "q"), ("us", ""), segment, rows, by_product)


def test_planted_gaps_are_found(rng):
    table, told = fairness_of(planted(), rng, minimum=0.55)
    ctr, exposure = told["segment"]["ctr"], told["segment"]["exposure"]
    assert (ctr["most"], ctr["least"]) == ("b", "a") and ctr["low"] < 0.1 < ctr["high"] and ctr["low"] > 0.05
    assert exposure["mean"] == pytest.approx(1.0) and exposure["of"] in ("cheap", "dear")
    assert "channel" not in told  # there is one
    rates = table[(table.grouping == "segment") & (table.measure == "reach")].set_index(["group", "of"]).value
    assert rates["a", "dear"] == 1 and rates["b", "dear"] == 0
    products = told["units"]["product"]
    least = planted().by_product.sum(0).min() / planted().by_product.sum()
    assert 0.45 < least < 0.5 and products["least"]["mean"] == pytest.approx(least)
    assert products["below"] == 2  # of two, none has 55%
    assert products["shortfall"] == pytest.approx(0.55 - least + 0.55 - (1 - least))


def test_intervals_cover_when_users_are_what_varies():
    """Users differ, visits of one user are alike: intervals over visits would be far too short. 95% of 200 samples."""
    hits = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        rate = draw.beta(2, 8, 60)
        clicks = draw.binomial(50, rate).astype(float)
        plain = np.stack([np.full(60, 50.0), np.full(60, 50.0), clicks, 0 * clicks, *np.full((2, 60), 50.0)], 1)
        found = Exposure(("a",), ("c",), ("k",), ("p",), ("",), np.zeros(60, int), plain[:, None], plain[:, :1])
        table, _ = fairness_of(found, draw)
        row = table[(table.grouping == "segment") & (table.measure == "ctr")].iloc[0]
        hits += row.low <= 0.2 <= row.high
    assert 0.9 <= hits / 200 <= 0.99


def test_groups_alike_are_seldom_told_apart():
    """Six groups of equal rates, all pairs at once: at most about one sample in twenty shows a gap."""
    found = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        estimate = 0.2 + 0.02 * draw.standard_normal((1, 6, 1))
        resamples = estimate + 0.02 * draw.standard_normal((1000, 6, 1))
        found += gap(np.concatenate([estimate, resamples]), ("",), tuple("abcdef"), 400)["low"] > 0
    assert found <= 12


def test_one_cluster_says_nothing():
    assert np.isnan(interval(np.array([0.5, 0.5, 0.5]), 1)["low"])


def test_group_rates_by_hand(rng):
    """Weights of 2 and 0 keep the first row of group 0 alone: it clicked. Group 1 clicked once in its two rows."""
    weight = np.array([[2.0], [0.0], [1.0], [1.0]])
    clicked, bought = np.array([[1.0], [0.0], [1.0], [0.0]]), np.array([[0.0], [0.0], [1.0], [0.0]])
    sums = group_sums(weight, clicked, bought, np.arange(4), np.array([0, 0, 1, 1]), 2)
    rates, clusters_, visits = group_rates(sums, rng)
    assert clusters_ == 4 and visits.tolist() == [2, 2]
    assert rates["ctr"][0, :, 0].tolist() == [1.0, 0.5]
    assert rates["cvr"][0, :, 0].tolist() == [0.0, 1.0]


SMALL = {"seeds": 2, "users": 40, "creatives": 4, "impressions": 2000, "batch": 100, "device": "cpu"}


def test_compare_tells_who_was_shown_what_and_the_price(tiny_file, tmp_path):
    agents = "linucb,linucb:min_exposure=0.2"
    path = run_compare(
        configured(CompareOptions(), scenario=str(tiny_file), out=tmp_path / "run", agents=agents, **SMALL)
    )
    summary = read_json(path / "summary.json")
    assert [row["agent"] for row in summary["fairness"]] == ["random", "linucb", "linucb:min_exposure=0.2"]
    constrained = summary["fairness"][2]["units"]["product"]
    assert constrained["minimum"] == 0.2 and constrained["below"] == 0 and constrained["least"]["mean"] >= 0.2
    assert "minimum" not in summary["fairness"][1]["units"]["product"]
    (price,) = summary["minimum_exposure"]
    assert (price["agent"], price["minimum"], price["below"]) == ("linucb", 0.2, 0)
    assert price["least"]["mean"] >= 0.2 > price["least_without"]["mean"]
    reward = {name: row["reward"]["mean"] for name, row in summary["agents"].items()}
    assert price["reward"]["mean"] == pytest.approx(1 - reward["linucb:min_exposure=0.2"] / reward["linucb"], abs=0.03)
    table = pd.read_csv(path / "fairness.csv")
    assert set(table.grouping) == {"segment", "channel", "product", "category", "brand"} and set(table.agent) == set(
        reward
    )
    shares = table[(table.grouping == "product") & (table.agent == "linucb")].value
    assert shares.sum() == pytest.approx(1.0)
    told = table[(table.measure == "reach") & (table.of == PRICES[0])].value
    assert told.between(0, 1).all()
    report = (path / "report.html").read_text(encoding="utf-8")
    assert "Who was shown what" in report and "What a minimum exposure costs" in report
    assert "Least exposure" not in report  # a section of its own where all agents have it


@pytest.mark.parametrize("of", ["category", "brand"])
@pytest.mark.parametrize("within", ["segment", "channel"])
def test_a_minimum_for_others_and_within_groups_is_kept(tiny_file, tmp_path, of, within):
    given = {"min_exposure": 0.15, "min_exposure_of": of, "min_exposure_within": within}
    path = run_compare(
        configured(CompareOptions(), scenario=str(tiny_file), out=tmp_path / "run", agents="ucb1", **SMALL, **given)
    )
    summary = read_json(path / "summary.json")
    assert summary["traffic"] == given
    assert summary["agents"]["ucb1"]["traffic"]["below_minimum"] == 0
    assert summary["agents"]["ucb1"]["traffic"]["least_exposure"] >= 0.15
    assert "Least exposure" in (path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"min_exposure": 0.3}, r"--min-exposure 0.3: 4 products cannot all .* the largest they can is 0.25"),
        ({"agents": "linucb:min_exposure=0.3"}, r"the largest they can is 0.25"),
        ({"agents": "linucb:min_exposure=-1"}, "--min-exposure -1: give a share from 0 to 1"),
        ({"agents": "linucb:min_exposure=nan"}, "--min-exposure nan: give a share from 0 to 1"),
        ({"agents": "linucb:min_exposure=0.1", "tests": "a.csv"}, "leave out --tests"),
        ({"min_exposure": 0.6, "min_exposure_of": "category"}, r"2 categories cannot all .* is 0.5"),
    ],
)
def test_a_minimum_that_cannot_be_is_refused_before_anything_runs(given, said, tiny_file, tmp_path):
    with pytest.raises(InputError, match=said):
        run_compare(
            configured(CompareOptions(), **{"scenario": str(tiny_file), "out": tmp_path / "run", **SMALL, **given})
        )
    assert not (tmp_path / "run").exists()


def test_options_of_a_minimum_are_idle_without_one():
    for options in (CompareOptions(), LoopOptions()):
        assert {"min-exposure-of", "min-exposure-within"} <= set(options.idle())
    assert "min-exposure-of" not in CompareOptions(agents="linucb:min_exposure=0.01").idle()


@pytest.fixture
def log(tiny_world):
    """A log whose region is in no model: users of odd numbers live in the south."""
    from copybandit.simulation.logs import log_frame, uniform_slates

    candidates = tiny_world.publish(tiny_world.catalog.ads)
    visits = tiny_world.visitors(1500)
    slates = uniform_slates(1500, candidates, 2, torch.Generator().manual_seed(0))
    frame = log_frame(tiny_world, tiny_world.respond(visits, slates), (1 / (12 - torch.arange(2))).expand(1500, 2))
    number = pd.factorize(frame.user_id)[0]
    return frame.assign(user_region=np.where(number % 2, "south", "north"))


def test_offline_tells_of_groups_that_a_log_names(log, tmp_path):
    log.to_parquet("log.parquet")
    given = {"logs": "log.parquet", "policy": "uniform", "groups": "user_region,channel"}
    path = run_offline(configured(OfflineOptions(), out=tmp_path / "run", **given))
    summary, table = read_json(path / "summary.json"), pd.read_csv(path / "fairness.csv")
    assert [row["policy"] for row in summary["groups"]] == ["as logged", "uniform"]
    one = table[(table.policy == "as logged") & (table.group == "south") & (table.measure == "ctr")].iloc[0]
    south = log[log.user_region == "south"]
    assert one.visits == south.impression_id.nunique()
    assert one.value == pytest.approx(south.clicked.sum() / south.impression_id.nunique())
    assert one.low < one.value < one.high
    # The log was uniform: weights are one, and the policy is the log's own.
    same = table[(table.policy == "uniform") & (table.group == "south") & (table.measure == "ctr")].iloc[0]
    assert same.value == pytest.approx(one.value)
    assert {"ctr", "cvr"} == set(summary["groups"][0]["user_region"])
    assert "Groups of users" in (path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("groups", "said"),
    [("user_city", "no such column .* user_region"), ("user_id", "40 values .* 2 to 30"), ("user_one", "1 values")],
)
def test_groups_that_a_log_does_not_have_are_refused(groups, said, log, tmp_path):
    log.assign(user_one="x").to_parquet("log.parquet")
    with pytest.raises(InputError, match=said):
        run_offline(configured(OfflineOptions(), out=tmp_path / "run", logs="log.parquet", groups=groups))


def test_the_prices_of_the_page_are_those_of_the_committed_run(repository):
    """docs/fairness.md against docs/evidence/results/fairness.json, row by row."""
    page = (repository / "docs/fairness.md").read_text(encoding="utf-8")
    prices = read_json(repository / "docs/evidence/results/fairness.json")["minimum_exposure"]
    assert len(prices) == 8
    for row in prices:
        lost = [
            f"{part['mean']:.1%} [{100 * part['low']:.1f}, {100 * part['high']:.1f}]"
            for part in (row["reward"], row["ctr"])
        ]
        shares = [f"{row[name]['mean']:.2%}" for name in ("least", "least_without")]
        cells = [row["agent"], f"{row['minimum']:.2%}", *lost, *shares]
        assert f"| {' | '.join(cells)} |" in page


def test_the_price_of_a_minimum_for_categories(tiny_file, tmp_path):
    given = {"agents": "ucb1,ucb1:min_exposure=0.4", "min_exposure_of": "category"}
    path = run_compare(configured(CompareOptions(), scenario=str(tiny_file), out=tmp_path / "run", **SMALL, **given))
    summary = read_json(path / "summary.json")
    (price,) = summary["minimum_exposure"]
    assert price["below"] == 0 and price["least"]["mean"] >= 0.4
    constrained = summary["fairness"][2]["units"]
    assert constrained["category"]["minimum"] == 0.4 and "minimum" not in constrained["product"]
    # Only its own minimum is held against an agent, and uniform placement's against none.
    assert "minimum" not in summary["fairness"][0]["units"]["category"]
