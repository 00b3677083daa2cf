"""A world is fitted to a log: formulas by hand, recovery of a known world, and logs with something missing."""

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.simulation.calibration.delays import mean_delay, still_to_come
from copybandit.simulation.calibration.design import interests_asked, one_hot
from copybandit.simulation.calibration.evidence import read_evidence
from copybandit.simulation.calibration.examined_logit import fit_examined_logit
from copybandit.simulation.calibration.fit import calibrate
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.logs import log_frame, stream_uniform
from copybandit.simulation.world import make_world
from copybandit.simulation.world_file import load_world, save_world
from scipy.sparse import csr_matrix


def test_saturated_fit_is_the_frequencies():
    # Slot 1: 30 of 100 clicked; slot 2: 12 of 100. So sigmoid(theta) = .3 and exp(look) = .12 / .3.
    looks, ones = csr_matrix([[0.0], [1.0]]), csr_matrix([[1.0], [1.0]])
    loose = np.array([100.0, 100.0])
    fit = fit_examined_logit(looks, ones, np.array([30.0, 12.0]), np.zeros(2) - 0.1, loose, trials=np.full(2, 100.0))
    assert np.exp(fit.estimate[0]) == pytest.approx(0.4, rel=1e-3)
    assert 1 / (1 + np.exp(-fit.estimate[1])) == pytest.approx(0.3, rel=1e-3)
    # The variance of log(.12) - log(.3) is .88 / 12 + .7 / 30.
    assert fit.covariance[0, 0] == pytest.approx(0.88 / 12 + 0.7 / 30, rel=1e-2)


def test_the_prior_shrinks_what_the_data_say_little_about():
    ones, clicks = csr_matrix(np.ones((4, 1))), np.array([1.0, 0, 0, 0])
    free, firm = (
        fit_examined_logit(csr_matrix((4, 0)), ones, clicks, np.zeros(1), np.array([spread])).estimate[0]
        for spread in (100.0, 0.1)
    )
    assert free == pytest.approx(np.log(1 / 3), abs=0.01)
    assert -0.1 < firm < 0


def test_conversions_to_come_by_hand():
    assert still_to_come(np.array([0.5]), np.array([0.0]), 6.0)[0] == pytest.approx(0.5)
    waiting = still_to_come(np.array([0.5]), np.array([6.0]), 6.0)[0]
    assert waiting == pytest.approx(0.5 / np.e / (0.5 + 0.5 / np.e))
    # Two seen after 1 and 3 hours; one click watched 4 hours that converts later with probability 1/2.
    assert mean_delay(np.array([1.0, 3.0]), np.array([4.0]), np.array([0.5]))[0] == pytest.approx((4 + 2) / 2)


def test_users_are_interested_in_what_they_ask_for():
    counts = np.array([[30.0, 0, 0], [0, 0, 0], [10, 10, 10]])
    interest, covariance = interests_asked(counts, np.zeros(3, dtype=int), 0.8)
    assert interest[0, 0] - interest[0, 1] > interest[1, 0] - interest[1, 1]
    assert np.trace(covariance[0]) < np.trace(covariance[1])
    assert np.allclose(covariance[1], 0.64 * np.eye(3))


def test_one_hot_leaves_negatives_out():
    assert one_hot(np.array([1, -1, 0]), 2).toarray().tolist() == [[0, 1], [0, 0], [1, 0]]


@pytest.fixture(scope="module")
def known(_tiny):
    """A known world's log, and the world."""
    scenario, catalog = _tiny
    channels = {n: c.model_copy(update={"daily": 0.3, "peak_hour": 18.0}) for n, c in scenario.channels.items()}
    scenario = scenario.model_copy(update={"channels": channels, "fatigue": 0.8})
    world = make_world(scenario, catalog, users=400, seed=5)
    generator = torch.Generator().manual_seed(5)
    shown = world.publish(catalog.ads)
    batches = list(stream_uniform(world, shown, 40_000, generator, batch=100))
    chance = torch.full((100, 2), 1 / 12)
    frames = [log_frame(world, f, chance, i * 100, read_at_hours=400.0) for i, f in enumerate(batches)]
    return world, pd.concat(frames, ignore_index=True)


def test_a_log_was_read_no_earlier_than_its_last_conversion(known, tmp_path):
    world, frame = known
    early = frame.head(2000).copy()
    early.to_parquet(tmp_path / "log.parquet")
    evidence = read_evidence(tmp_path / "log.parquet", world.catalog)
    assert evidence.hours is not None and evidence.delay_hours is not None
    last = float(evidence.hours.max())
    came = np.nanmax(evidence.hours + evidence.delay_hours)
    assert evidence.read_at == came > last, "conversions came after the last row, and are known"
    early.assign(converted=0, conversion_delay_s=np.nan).to_parquet(tmp_path / "none.parquet")
    assert read_evidence(tmp_path / "none.parquet", world.catalog).read_at == last


@pytest.fixture(scope="module")
def fitted(known, tmp_path_factory):
    world, frame = known
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    frame.to_parquet(path)
    blank = {n: s.model_copy(update={"tastes": {}, "interests": {}}) for n, s in world.scenario.segments.items()}
    prior = world.scenario.model_copy(update={"segments": blank, "category_tastes": {}})
    return calibrate(read_evidence(path, world.catalog), prior)


def test_a_known_world_is_recovered(known, fitted):
    world, _ = known
    truth = {
        "look: search, slot 2": np.log(0.6),
        "look: feed, slot 2": np.log(0.8),
        "intent: search": 1.0,
        "fatigue: all": 0.8,
        "delay, mean hours": 6.0,
        "wording: all": world.scales.text_click,
        "hour, sin: search": -0.3,
        "hour, cos: search": 0.0,
    }
    found = {effect.name: effect for effect in fitted.effects}
    for name, value in truth.items():
        # 1.6 times the half-width of a 95% interval, as eight effects are looked at.
        half = (found[name].high - found[name].low) / 2
        assert abs(found[name].mean - value) < 1.6 * half, name


def test_the_fitted_world_clicks_and_buys_as_the_log_does(known, fitted):
    _, frame = known
    world = fitted.world(seed=1)
    shown = world.publish(world.catalog.ads)
    generator = torch.Generator().manual_seed(1)
    batches = list(stream_uniform(world, shown, 40_000, generator, batch=100))
    clicked = torch.cat([f.clicked for f in batches]).double().mean(0).numpy()
    logged = frame.groupby("position").clicked.mean().to_numpy()
    assert clicked == pytest.approx(logged, rel=0.05)
    bought = sum(int(f.converted.sum()) for f in batches) / sum(int(f.clicked.sum()) for f in batches)
    assert bought == pytest.approx(frame.converted.sum() / frame.clicked.sum(), rel=0.1)


def test_a_world_file_holds_the_world(fitted, tmp_path):
    path = tmp_path / "world.safetensors"
    save_world(path, fitted.scenario, fitted.evidence.catalog, fitted.audience, fitted.scales)
    again, before = load_world(path, seed=3), fitted.world(seed=3)
    ads = before.catalog.ads
    assert torch.equal(again.gold(ads).click, before.gold(ads).click)
    assert torch.equal(again.visitors(50).context, before.visitors(50).context)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"damaged or of another kind .*; make it anew with `copybandit calibrate`"):
        load_world(path)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda f: f.drop(columns="propensity"), "no propensities"),
        (lambda f: f[f.position == 0], "one position only"),
        (lambda f: f.iloc[::-1], "out of order"),
        (lambda f: f.assign(text=f.text.where(f.index % 10 > 0, None)), "10% of rows have no text"),
        (lambda f: f.drop(columns=["converted", "user_segment"]), "no user_segment"),
    ],
)
def test_what_cannot_be_fitted_is_named_and_the_rest_is(known, tmp_path, change, note):
    world, frame = known
    change(frame.head(6000).copy()).to_parquet(tmp_path / "log.parquet")
    evidence = read_evidence(tmp_path / "log.parquet", world.catalog)
    assert any(note in said for said in evidence.notes), evidence.notes
    fitted = calibrate(evidence, world.scenario)
    assert fitted.world().gold(world.catalog.ads).click.isfinite().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.assign(timestamp=f.timestamp.where(f.index % 2 == 0, f.timestamp.str[:19])), "has no time zone"),
        (lambda f: f.assign(converted=1), "converted without a click"),
        (lambda f: f.assign(product_id=f.product_id.where(f.index % 7 > 0, "gone")), "'gone' is not in the catalog"),
    ],
)
def test_what_is_wrong_with_a_log_is_refused(known, tmp_path, change, said):
    world, frame = known
    change(frame.head(600).copy()).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match=said):
        read_evidence(tmp_path / "log.parquet", world.catalog)


@pytest.mark.parametrize("clicked", [0, 1])
def test_constant_clicks_teach_nothing(known, tmp_path, clicked):
    world, frame = known
    frame.head(200).assign(clicked=clicked, converted=0).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(InputError, match="nothing can be learned of clicks"):
        read_evidence(tmp_path / "log.parquet", world.catalog)
