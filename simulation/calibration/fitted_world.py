"""Fitted numbers put where a world has them: its scenario, its users, its scales."""

from dataclasses import replace

import numpy as np
import torch

from ..response.rates import attributed, intercept_for_rate
from ..response.utilities import INTEREST_CLICK, Scales
from ..scenario import Channel, Scenario, Segment, Social
from ..text.reading import Reader
from ..visitors.audience import INTEREST_SPREAD, TASTE_SPREAD, Audience
from ..world import World, make_world
from .design import Design, asked_interests
from .evidence import Evidence, Floats
from .examined_logit import Fit
from .sales import Sales

LOW_WORDING = 0.05
"""Least factor on what texts do to everybody: a world needs one to scale tastes by."""


class WorldBuilder:
    """Puts fitted numbers where a world has them."""

    def __init__(
        self,
        evidence: Evidence,
        prior: Scenario,
        reader: Reader,
        looks: Design,
        clicks: Design,
        fit: Fit,
        sales: Sales | None,
        look: Floats,
    ) -> None:
        """Takes a fit: what `calibrate` was given and found, `look` being the [n] probability of each row's look."""
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
        share = np.bincount(evidence.segment_of, minlength=len(evidence.segments)) / evidence.users
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
            "garbled": self._garbled(),
            "false_facts": self._false_facts(),
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

    def _garbled(self) -> float:
        found = self.of("garbled", 1) if "garbled" in self.clicks.blocks else [self.prior.garbled]
        return float(max(found[0], 0.0))

    def _false_facts(self) -> float:
        if self.sales is None or "false facts" not in self.sales.design.blocks:
            return self.prior.false_facts
        (found,) = self.sales.result.estimate[self.sales.design.blocks["false facts"]]
        return float(np.clip(-np.expm1(found), 0.0, 0.99))

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
        users, categories = evidence.users, len(evidence.catalog.categories)
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
        evidence, users = self.evidence, self.evidence.users
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
        found = {"click_base": intercept_for_rate(logits, look, float(taken.clicked.sum() / look.sum()))}
        if self.sales is not None and taken.converted is not None:
            bought = convert[user, torch.from_numpy(at)].double() - convert_base
            weight = look * torch.sigmoid(found["click_base"] + logits)
            delay, window = world.scenario.conversion_delay_hours, world.scenario.attribution_hours
            if self.sales.delay is not None and evidence.read_at is not None and taken.hours is not None:
                age = np.minimum(evidence.read_at - taken.hours, window or np.inf)
                weight = weight * torch.from_numpy(-np.expm1(-age / delay))
            else:
                weight = weight * attributed(delay, window)
            found["convert_base"] = intercept_for_rate(bought, weight, float(taken.converted.sum() / weight.sum()))
        return found

    def _only(self, blocks: tuple[str, ...]) -> Floats:
        kept = np.zeros(len(self.click_part))
        for block in blocks:
            if block in self.clicks.blocks:
                kept[self.clicks.blocks[block]] = self.click_part[self.clicks.blocks[block]]
        return kept
