"""Conversions of a log: what moves them given the click, and how late they come."""

from dataclasses import dataclass

import numpy as np

from ..scenario import Scenario
from .delays import mean_delay, still_to_come
from .design import FIRM, Design, Texts, dense, fit_designs, one_hot
from .evidence import Evidence, Floats
from .examined_logit import Fit
from .main_effects import Effect


@dataclass(frozen=True)
class Sales:
    """Conversions: their fit, by columns, and their delay."""

    design: Design
    result: Fit
    delay: float | None
    """Mean hours from click to conversion; None where it was not fitted."""
    effects: list[Effect]

    @classmethod
    def fit(cls, evidence: Evidence, scenario: Scenario, texts: Texts) -> "Sales | None":
        """Fits P(conversion in the end | click) and, where it is logged, the delay; None with too few to fit."""
        clicked = np.flatnonzero(evidence.clicked)
        sold = evidence.rows(clicked)
        assert sold.converted is not None
        if sold.converted.sum() < 2:
            return None
        design = _design(sold, scenario, texts)
        bought = sold.converted
        mean = error = None
        outcome, result = bought, fit_designs(Design(), design, bought)
        if sold.delay_hours is not None and sold.hours is not None and evidence.read_at is not None:
            age = np.minimum(evidence.read_at - sold.hours, scenario.attribution_hours or np.inf)
            delays = sold.delay_hours[bought == 1]
            mean = float(delays.mean())
            for _ in range(15):
                rate = 1 / (1 + np.exp(-(design.matrix @ result.estimate)))
                waiting = np.where(bought == 1, 0.0, still_to_come(rate, age, mean))
                open_rows = bought == 0
                mean, error = mean_delay(delays, age[open_rows], waiting[open_rows])
                outcome = np.where(bought == 1, 1.0, waiting)
                result = fit_designs(Design(), design, outcome)
        effects = []
        for block in ("wording", "price"):
            if block in design.blocks:
                row = np.zeros((1, len(design.labels)))
                row[0, design.blocks[block].start] = 1.0
                (at,), (spread,) = result.contrast(row)
                effects.append(Effect(f"conversion, {block}", at, at - 1.96 * spread, at + 1.96 * spread))
        if mean is not None and error is not None:
            effects.append(Effect("delay, mean hours", mean, mean - 1.96 * error, mean + 1.96 * error))
        return cls(design, result, mean, effects)


def _design(sold: Evidence, scenario: Scenario, texts: Texts) -> Design:
    design, catalog = Design(), sold.catalog
    segment = sold.segment_of[sold.user]
    price = _standard_price(sold)[sold.product]
    design.add("base", dense(np.ones(len(sold))), ["all"], 20.0, -3.0)
    if (sold.text >= 0).any():
        design.add("wording", dense(texts.convert[sold.text]), ["all"], 2.0)
    if texts.false_facts.any():
        usual = float(np.log1p(-scenario.false_facts))
        design.add("false facts", dense(texts.false_facts[sold.text]), ["all"], FIRM, usual)
    if np.ptp(price) > 0:
        design.add("price", dense(-price), ["all"], 2.0)
        design.add("segment x price", one_hot(segment, len(sold.segments), -price), sold.segments, 0.5)
    design.add("segment", one_hot(segment, len(sold.segments)), sold.segments, 0.3)
    design.add("product", one_hot(sold.product, len(catalog)), [p.product_id for p in catalog.products], 0.3)
    return design


def _standard_price(evidence: Evidence) -> Floats:
    price = np.log(np.maximum([p.price for p in evidence.catalog.products], 0.01))
    return (price - price.mean()) / max(float(price.std()), 1e-6)
