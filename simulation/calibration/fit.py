"""A world fitted to a log: what moves clicks and conversions there, how surely, and users and products to match."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix

from ..response.utilities import Scales
from ..scenario import Scenario
from ..text.reading import Reader, TextReader
from ..visitors.audience import Audience
from ..world import World, make_world
from .design import Design, Texts, click_design, fit_designs, looks_design, worn_by_looks
from .evidence import Evidence, Floats
from .examined_logit import Fit
from .fitted_world import WorldBuilder
from .main_effects import Effect, main_effects
from .sales import Sales


@dataclass(frozen=True)
class Calibration:
    """What was fitted to a log."""

    scenario: Scenario
    """The prior's, with the fitted numbers in place of its own."""
    evidence: Evidence
    reader: Reader
    looks: Design
    clicks: Design
    click_fit: Fit
    convert_fit: Fit | None
    effects: tuple[Effect, ...]
    """Main effects: what holds over the log's whole traffic."""
    scales: Scales
    audience: Audience
    notes: tuple[str, ...]

    def world(self, *, seed: int = 0, device: torch.device | str = "cpu") -> World:
        """The world that behaves like the log."""
        return make_world(
            self.scenario,
            self.evidence.catalog,
            seed=seed,
            device=device,
            reader=self.reader,
            audience=self.audience,
            scales=self.scales,
        )


def calibrate(
    evidence: Evidence,
    scenario: Scenario,
    *,
    seed: int = 0,
    progress: Callable[[str], None] = lambda note: None,
) -> Calibration:
    """Fits a world to a log.

    Args:
        evidence: the log.
        scenario: the words that appeals are known by, how fast fatigue recovers, and whatever the log does not say.
        seed: draws users within what the log leaves open.
        progress: called with what is being done.
    """
    reader = TextReader(scenario, evidence.catalog, None)
    texts, looks = Texts.read(evidence, reader), looks_design(evidence)
    look = np.ones(len(evidence))
    clicks, fit = Design(), None
    # A first fit of part of the rows says how far down slots are looked at, hence what was seen; the second uses it.
    for i, rows in enumerate((slice(None, None, 5), slice(None))):
        progress(f"clicks, pass {i + 1}")
        worn = None if evidence.hours is None else worn_by_looks(evidence, look, scenario.recovery_hours)
        clicks = click_design(evidence, scenario, texts, worn)
        fit = fit_designs(looks, clicks, evidence.clicked, rows, None if fit is None else fit.estimate)
        if looks.labels:
            look = np.minimum(np.exp(looks.matrix @ fit.estimate[: len(looks.labels)]), 1.0)
    assert fit is not None
    progress("conversions")
    sales = Sales.fit(evidence, scenario, texts) if evidence.converted is not None else None
    effects = [*main_effects(evidence, looks, clicks, fit), *(sales.effects if sales else [])]
    progress("users")
    builder = WorldBuilder(evidence, scenario, reader, looks, clicks, fit, sales, look)
    fitted, audience = builder.scenario(), builder.audience(seed)
    scales = builder.scales(fitted, audience)
    notes = (*evidence.notes, *builder.notes)
    convert_fit = None if sales is None else sales.result
    return Calibration(
        fitted, evidence, reader, looks, clicks, fit, convert_fit, tuple(effects), scales, audience, notes
    )


def predict(calibration: Calibration, evidence: Evidence) -> Floats:
    """[n] P(click) of every row of a log by the fit; the log is the one that was fitted, or goes on from it.

    What its products, segments and texts are called has to be the same; `Evidence.rows` keeps that so.
    """
    look, inner, _, _ = _parts(calibration, evidence)
    return look * inner


def expected_ctr(calibration: Calibration, evidence: Evidence) -> tuple[float, float]:
    """Mean of `predict`, and its standard error by the fit's covariance (delta method)."""
    look, inner, looks, features = _parts(calibration, evidence)
    rate = look * inner
    slope = np.concatenate([looks.T @ rate, features.T @ (rate * (1 - inner))]) / len(evidence)
    return float(rate.mean()), float(np.sqrt(slope @ calibration.click_fit.covariance @ slope))


def _parts(calibration: Calibration, evidence: Evidence) -> tuple[Floats, Floats, csr_matrix, csr_matrix]:
    """P(look), P(click | look), and the columns behind both as the fit has them."""
    texts = Texts.read(evidence, calibration.reader)
    looks = _columns(looks_design(evidence), calibration.looks.labels, len(evidence))
    curve, weights = np.split(calibration.click_fit.estimate, [len(calibration.looks.labels)])
    look = np.exp(looks @ curve)
    hours = calibration.scenario.recovery_hours
    worn = None if evidence.hours is None else worn_by_looks(evidence, np.minimum(look, 1.0), hours)
    features = _columns(
        click_design(evidence, calibration.scenario, texts, worn), calibration.clicks.labels, len(evidence)
    )
    return look, 1 / (1 + np.exp(-(features @ weights))), looks, features


def _columns(design: Design, labels: Sequence[str], rows: int) -> csr_matrix:
    """[rows, labels] the columns of these labels; zeros for those that a design lacks."""
    number = {label: i for i, label in enumerate(design.labels)}
    known = [(number[label], i) for i, label in enumerate(labels) if label in number]
    if not known:
        return csr_matrix((rows, len(labels)))
    old, new = np.array(known).T
    place = csr_matrix((np.ones(len(old)), (old, new)), shape=(len(design.labels), len(labels)))
    return csr_matrix(design.matrix @ place)
