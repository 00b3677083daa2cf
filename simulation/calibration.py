"""A world fitted to a log: what moves clicks and conversions there, how surely, and users and products to match."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_matrix

from .audience import INTEREST_SPREAD, TASTE_SPREAD, Audience
from .delays import mean_delay, still_to_come
from .design import Design, Texts, asked_interests, click_design, dense, looks_design, one_hot, worn_by_looks
from .evidence import Evidence, Floats
from .examined_logit import Fit, fit_examined_logit
from .reading import Reader, TextReader
from .response import attributed
from .scenario import Channel, Scenario, Segment, Social
from .utilities import INTEREST_CLICK, Scales
from .world import World, make_world

LOW_WORDING = 0.05
"""Least factor on what texts do to everybody: a world needs one to scale tastes by."""


@dataclass(frozen=True)
class Effect:
    """A fitted number with its 95% interval."""

    name: str
    mean: float
    low: float
    high: float


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
        fit = _fit(looks, clicks, evidence.clicked, rows, None if fit is None else fit.estimate)
        if looks.labels:
            look = np.minimum(np.exp(looks.matrix @ fit.estimate[: len(looks.labels)]), 1.0)
    assert fit is not None
    progress("conversions")
    sales = _Sales.fit(evidence, scenario, texts) if evidence.converted is not None else None
    effects = [*main_effects(evidence, looks, clicks, fit), *(sales.effects if sales else [])]
    progress("users")
    builder = _Builder(evidence, scenario, reader, looks, clicks, fit, sales, look)
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
    texts = Texts.read(evidence, calibration.reader)
    looks = looks_design(evidence)
    curve, features = np.split(calibration.click_fit.estimate, [len(calibration.looks.labels)])
    look = np.exp(looks.matrix @ curve) if looks.labels else np.ones(len(evidence))
    hours = calibration.scenario.recovery_hours
    worn = None if evidence.hours is None else worn_by_looks(evidence, np.minimum(look, 1.0), hours)
    design = click_design(evidence, calibration.scenario, texts, worn)
    estimate = dict(zip(calibration.clicks.labels, features, strict=True))
    weights = np.array([estimate.get(label, 0.0) for label in design.labels])
    return look / (1 + np.exp(-(design.matrix @ weights)))


def _fit(
    looks: Design, features: Design, outcomes: Floats, rows: slice = slice(None), start: Floats | None = None
) -> Fit:
    matrix = looks.matrix if looks.labels else csr_matrix((len(outcomes), 0))
    priors = [design.prior for design in (looks, features) if design.labels]
    mean, spread = (np.concatenate(parts) for parts in zip(*priors, strict=True))
    return fit_examined_logit(matrix[rows], features.matrix[rows], outcomes[rows], mean, spread, start=start)


def main_effects(evidence: Evidence, looks: Design, clicks: Design, fit: Fit) -> list[Effect]:
    """Effects averaged over the log: slots by channel, channels, hours, intents, fatigue, appeals and wording.

    Appeals differ by segment and category: their main effect is the mean over the log's rows.
    """
    split, size = len(looks.labels), len(looks.labels) + len(clicks.labels)
    rows: list[Floats] = []
    names: list[str] = []

    def unit(*at: int) -> Floats:
        row = np.zeros(size)
        row[list(at)] = 1.0
        return row

    if "look" in looks.blocks:
        slots = evidence.slots - 1
        for c, channel in enumerate(evidence.channels):
            for i in range(slots):
                by_channel = looks.blocks.get("look by channel")
                rows.append(unit(i, *([] if by_channel is None else [by_channel.start + c * slots + i])))
                names.append(f"look: {channel}, slot {i + 2}")
    for block in ("channel", "hour, cos", "hour, sin", "intent", "interest", "fatigue", "wording"):
        if block in clicks.blocks:
            for at in range(*clicks.blocks[block].indices(len(clicks.labels))):
                rows.append(unit(split + at))
                names.append(clicks.labels[at])
    if "appeal" in clicks.blocks:
        category = np.array(evidence.catalog.category_of)[evidence.product]
        segment = evidence.segment_of[evidence.user]
        for k, at in enumerate(range(*clicks.blocks["appeal"].indices(len(clicks.labels)))):
            row = unit(split + at)
            for block, code, width in (
                ("segment x appeal", segment, len(evidence.segments)),
                ("category x appeal", category, len(evidence.catalog.categories)),
            ):
                share = np.bincount(code, minlength=width) / len(code)
                first = split + clicks.blocks[block].start + k * width
                row[first : first + width] = share
            rows.append(row)
            names.append(clicks.labels[at])
    if not rows:
        return []
    mean, error = fit.contrast(np.stack(rows))
    return [Effect(n, m, m - 1.96 * e, m + 1.96 * e) for n, m, e in zip(names, mean, error, strict=True)]


@dataclass(frozen=True)
class _Sales:
    """Conversions: their fit, by columns, and their delay."""

    design: Design
    result: Fit
    delay: float | None
    effects: list[Effect]

    @classmethod
    def fit(cls, evidence: Evidence, scenario: Scenario, texts: Texts) -> "_Sales | None":
        """Fits P(conversion in the end | click) and, where it is logged, the delay; None with too few to fit."""
        clicked = np.flatnonzero(evidence.clicked)
        sold = evidence.rows(clicked)
        assert sold.converted is not None
        if sold.converted.sum() < 2:
            return None
        design = _sales_design(sold, texts)
        bought = sold.converted
        mean = error = None
        outcome, result = bought, _fit(Design(), design, bought)
        if sold.delay_hours is not None and sold.hours is not None and evidence.hours is not None:
            age = np.minimum(evidence.hours.max() - sold.hours, scenario.attribution_hours or np.inf)
            delays = sold.delay_hours[bought == 1]
            mean = float(delays.mean())
            for _ in range(15):
                rate = 1 / (1 + np.exp(-(design.matrix @ result.estimate)))
                waiting = np.where(bought == 1, 0.0, still_to_come(rate, age, mean))
                open_rows = bought == 0
                mean, error = mean_delay(delays, age[open_rows], waiting[open_rows])
                outcome = np.where(bought == 1, 1.0, waiting)
                result = _fit(Design(), design, outcome)
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


def _sales_design(sold: Evidence, texts: Texts) -> Design:
    design, catalog = Design(), sold.catalog
    segment = sold.segment_of[sold.user]
    price = _standard_price(sold)[sold.product]
    design.add("base", dense(np.ones(len(sold))), ["all"], 20.0, -3.0)
    if (sold.text >= 0).any():
        design.add("wording", dense(texts.convert[sold.text]), ["all"], 2.0)
    if np.ptp(price) > 0:
        design.add("price", dense(-price), ["all"], 2.0)
        design.add("segment x price", one_hot(segment, len(sold.segments), -price), sold.segments, 0.5)
    design.add("segment", one_hot(segment, len(sold.segments)), sold.segments, 0.3)
    design.add("product", one_hot(sold.product, len(catalog)), [p.product_id for p in catalog.products], 0.3)
    return design


def _standard_price(evidence: Evidence) -> Floats:
    price = np.log(np.maximum([p.price for p in evidence.catalog.products], 0.01))
    return (price - price.mean()) / max(float(price.std()), 1e-6)


class _Builder:
    """Puts fitted numbers where a world has them."""

    def __init__(
        self,
        evidence: Evidence,
        prior: Scenario,
        reader: Reader,
        looks: Design,
        clicks: Design,
        fit: Fit,
        sales: _Sales | None,
        look: Floats,
    ) -> None:
        self.evidence, self.prior, self.reader, self.sales = evidence, prior, reader, sales
        self.looks, self.clicks, self.look = looks, clicks, look
        self.look_part, self.click_part = np.split(fit.estimate, [len(looks.labels)])
        self.notes: list[str] = ["competitors' pull and moving interests cannot be told from a log: off"]

    def of(self, block: str, width: int) -> Floats:
        """Estimates of a block of clicks; zeros where it was not fitted."""
        found = self.clicks.blocks.get(block)
        return np.zeros(width) if found is None else self.click_part[found]

    @property
    def wording(self) -> float:
        """Factor on what texts do to everybody."""
        if "wording" not in self.clicks.blocks:
            return 1.0
        return max(float(self.of("wording", 1)[0]), LOW_WORDING)

    def scenario(self) -> Scenario:
        """The prior scenario with the log's channels, segments and tastes."""
        evidence, prior = self.evidence, self.prior
        appeals, categories = tuple(prior.appeals), evidence.catalog.categories
        tastes = self.of("segment x appeal", len(appeals) * len(evidence.segments)).reshape(len(appeals), -1).T
        tastes = (tastes + self.of("appeal", len(appeals))) / self.wording
        by_category = self.of("category x appeal", len(appeals) * len(categories)).reshape(len(appeals), -1).T
        interests = self.of("segment x category", len(evidence.segments) * len(categories))
        interests = interests.reshape(len(evidence.segments), -1) + self.of("segment", len(evidence.segments))[:, None]
        share = np.bincount(evidence.segment_of, minlength=len(evidence.segments)) / len(evidence.users)
        prices = self._price_sensitivity()
        segments = {
            name: Segment(
                share=float(share[i]),
                price_sensitivity=float(prices[i]),
                tastes=dict(zip(appeals, map(float, tastes[i]), strict=True)),
                interests=dict(zip(categories, map(float, interests[i] / INTEREST_CLICK), strict=True)),
            )
            for i, name in enumerate(evidence.segments)
        }
        fatigue = float(max(self.of("fatigue", 1)[0], 0.0)) if "fatigue" in self.clicks.blocks else 0.0
        first, last = (0.0, 1.0) if evidence.hours is None else (evidence.hours.min(), evidence.hours.max())
        visits = len(evidence) / evidence.slots
        changes = {
            "channels": self._channels(),
            "segments": segments,
            "category_tastes": {
                name: dict(zip(appeals, map(float, by_category[i] / self.wording), strict=True))
                for i, name in enumerate(categories)
            },
            "ctr": float(np.clip(evidence.clicked.mean(), 1e-6, 0.49)),
            "fatigue": fatigue,
            "interest_gain": 0.0,
            "interest_loss": 0.0,
            "click_model": "pbm",
            "visits_per_hour": prior.visits_per_hour if last <= first else float(visits / (last - first)),
            "catalog": "",
            "ads": "",
            "phrases": None,
            "queries": None,
        }
        if self.sales is not None and self.sales.delay is not None:
            changes["conversion_delay_hours"] = self.sales.delay
        return Scenario.model_validate(prior.model_copy(update=changes).model_dump())

    def _price_sensitivity(self) -> Floats:
        prior = [
            self.prior.segments[s].price_sensitivity if s in self.prior.segments else 0.0
            for s in self.evidence.segments
        ]
        if self.sales is None or "price" not in self.sales.design.blocks:
            return np.array(prior)
        blocks, found = self.sales.design.blocks, self.sales.result.estimate
        return found[blocks["price"]] + found[blocks["segment x price"]]

    def _channels(self) -> dict[str, Channel]:
        evidence, slots = self.evidence, self.evidence.slots
        names = evidence.channels
        base = np.r_[0.0, self.of("channel", len(names) - 1)]
        cos, sin = (self.of(block, len(names)) for block in ("hour, cos", "hour, sin"))
        found = zip(self.clicks.labels, self.click_part, strict=True)
        intent = {label.removeprefix("intent: "): value for label, value in found if label.startswith("intent: ")}
        share = np.bincount(evidence.channel, minlength=len(names)) / len(evidence)
        channels = {}
        for i, name in enumerate(names):
            before = self.prior.channels.get(name)
            channels[name] = Channel(
                share=float(share[i]),
                base=float(base[i]),
                intent=float(max(intent.get(name, 0.0), 0.0)),
                examination=self._examination(i, slots),
                daily=float(np.hypot(cos[i], sin[i])),
                peak_hour=float(np.arctan2(sin[i], cos[i]) / (2 * np.pi) * 24 % 24) % 24,
                cost_per_thousand=before.cost_per_thousand if before else 0.0,
                cost_per_click=before.cost_per_click if before else 0.0,
                social=before.social if before else Social(),
            )
        return channels

    def _examination(self, channel: int, slots: int) -> list[float]:
        if "look" not in self.looks.blocks:
            return [1.0] * slots
        curve = self.look_part[: slots - 1].copy()
        if "look by channel" in self.looks.blocks:
            first = self.looks.blocks["look by channel"].start + channel * (slots - 1)
            curve = curve + self.look_part[first : first + slots - 1]
        return [1.0, *np.clip(np.exp(curve), 0.001, 1.0).tolist()]

    def audience(self, seed: int) -> Audience:
        """The log's users: their segments and how often they come as logged, their interests drawn from what their
        queries (or, without those, their clicks) leave open, their tastes around their segment's.
        """
        evidence, rng = self.evidence, np.random.default_rng([seed, 31])
        users, categories = len(evidence.users), len(evidence.catalog.categories)
        if "interest" in self.clicks.blocks:
            mode, covariance = asked_interests(evidence)
            factor = np.linalg.cholesky(covariance)
            drawn = mode + (factor @ rng.standard_normal((users, categories, 1)))[:, :, 0]
        else:
            drawn = self._interests_by_clicks(rng)
        scenario = self.scenario()
        kinds = [scenario.segments[name] for name in evidence.segments]
        interest = np.array([[k.interests[c] for c in evidence.catalog.categories] for k in kinds])[evidence.segment_of]
        interest = interest + drawn
        tastes = np.array([[k.tastes[a] for a in scenario.appeals] for k in kinds])[evidence.segment_of]
        tastes = tastes + TASTE_SPREAD * rng.standard_normal(tastes.shape)
        price = np.array([k.price_sensitivity for k in kinds])[evidence.segment_of]
        browsing = rng.poisson(3.0 * np.exp(np.clip(interest - interest.mean(), -3, 3)))
        activity = np.bincount(evidence.user, minlength=users).astype(np.float64)

        def tensor(values: Floats) -> torch.Tensor:
            return torch.tensor(np.asarray(values), dtype=torch.float32)

        return Audience(
            segments=evidence.segments,
            segment=torch.from_numpy(evidence.segment_of.astype(np.int64)),
            browsing=tensor(browsing),
            purchases=tensor(rng.binomial(browsing, 0.1)),
            tastes=tensor(tastes),
            interest=tensor(interest),
            price_sensitivity=tensor(price),
            activity=tensor(activity / activity.mean()),
        )

    def _interests_by_clicks(self, rng: np.random.Generator) -> Floats:
        """[U, C] deviations from the fit, drawn from their posterior.

        Clicks of a user in a category are Poisson about the fit, with a gamma-distributed factor whose variance is that
        of the spread of interests in generated audiences.
        """
        evidence, users = self.evidence, len(self.evidence.users)
        categories = len(evidence.catalog.categories)
        rate = self.look / (1 + np.exp(-(self.clicks.matrix @ self.click_part)))
        cell = evidence.user * categories + np.array(evidence.catalog.category_of)[evidence.product]
        seen = np.bincount(cell, evidence.clicked, users * categories)
        expected = np.bincount(cell, rate, users * categories)
        shape = 1 / np.expm1((INTEREST_CLICK * INTEREST_SPREAD) ** 2)
        factor = rng.gamma(shape + seen, 1 / (shape + expected)).reshape(users, categories)
        return np.log(np.maximum(factor, 1e-3)) / INTEREST_CLICK

    def scales(self, scenario: Scenario, audience: Audience) -> Scales:
        """Intercepts at which the world, shown what the log showed, clicks and buys as often as the log did."""
        catalog = self.evidence.catalog
        product = torch.tensor(self.of("product", len(catalog)), dtype=torch.float32)
        sales = self.sales
        convert, wording, base = None, 1.0, float(np.log(scenario.cvr / (1 - scenario.cvr)))
        if sales is not None:
            blocks, found = sales.design.blocks, sales.result.estimate
            convert = torch.tensor(found[blocks["product"]], dtype=torch.float32)
            wording = float(found[blocks["wording"]][0]) if "wording" in blocks else 1.0
        scales = Scales(0.0, base, self.wording, wording, product, convert)
        world = make_world(scenario, catalog, reader=self.reader, audience=audience, scales=scales)
        return replace(scales, **self._intercepts(world, base))

    def _intercepts(self, world: World, convert_base: float) -> dict[str, float]:
        """Bisection on the log's own rows."""
        evidence, utilities = self.evidence, world.utilities
        # Rows without a text are scored as their product's average.
        rows = np.flatnonzero(evidence.text >= 0) if (evidence.text >= 0).any() else np.arange(len(evidence))
        taken = evidence.rows(rows)
        if evidence.catalog.ads:
            product, reading = utilities.read(evidence.catalog.ads)
            click, convert = utilities.click(product, reading), utilities.convert(product, reading)
            at = taken.text
        else:
            click, convert = utilities.without_text()
            at = taken.product
        user = torch.from_numpy(taken.user)
        shifts = (self.clicks.matrix @ self._only(("channel", "hour, cos", "hour, sin", "intent", "fatigue")))[rows]
        logits = click[user, torch.from_numpy(at)].double() + torch.from_numpy(shifts)
        look = torch.from_numpy(self.look[rows])
        found = {"click_base": _level(logits, look, float(taken.clicked.sum()))}
        if self.sales is not None and taken.converted is not None:
            bought = convert[user, torch.from_numpy(at)].double() - convert_base
            weight = look * torch.sigmoid(found["click_base"] + logits)
            delay, window = world.scenario.conversion_delay_hours, world.scenario.attribution_hours
            if self.sales.delay is not None and evidence.hours is not None and taken.hours is not None:
                age = np.minimum(evidence.hours.max() - taken.hours, window or np.inf)
                weight = weight * torch.from_numpy(-np.expm1(-age / delay))
            else:
                weight = weight * attributed(delay, window)
            found["convert_base"] = _level(bought, weight, float(taken.converted.sum()))
        return found

    def _only(self, blocks: tuple[str, ...]) -> Floats:
        kept = np.zeros(len(self.click_part))
        for block in blocks:
            if block in self.clicks.blocks:
                kept[self.clicks.blocks[block]] = self.click_part[self.clicks.blocks[block]]
        return kept


def _level(logits: torch.Tensor, weights: torch.Tensor, total: float) -> float:
    """The b at which the weighted sum of sigmoid(b + logits) is `total`; by bisection."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if float((weights * torch.sigmoid(middle + logits)).sum()) < total else (low, middle)
    return (low + high) / 2
