"""The private part of `copybandit benchmark`: what does protecting the users of a log cost the texts it teaches?

The untuned writer writes sixteen texts for each product and segment of the shop; the effect model chooses one of them,
and the gold says what was gained over their average. That is what an effect model is for, without what tuning adds.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ....agents.agent import CONVERSION_VALUE
from ....policies.base.start import load_base
from ....policies.effect.accountant import Budget
from ....policies.effect.contract import CLICK, CONVERT, TextEffect
from ....policies.effect.metrics import binomial_metrics
from ....policies.effect.model import EffectConfig, fit_effect_model
from ....policies.effect.private import RELEASES, fit_private_effect_model
from ....policies.writer.reading import FrozenReader
from ....policies.writer.writer import WriterConfig
from ....simulation.data.catalog import Creative
from ....simulation.logs import Counts
from ....simulation.scenario import load_scenario
from ....simulation.user_log import UserLog, log_users_uniform
from ....simulation.world import World, make_world
from ...harness.files import write_json
from ...harness.run import Run
from .options import BenchmarkOptions

EPSILONS = (1.0, 2.0, 4.0, 8.0, math.inf)
DELTA, CLIP, FITS = 1e-5, 5.0, 2
"""As `tune` has them: beside the effect model the one that validates the writer spends too."""
IMPRESSIONS, PILOT, EACH = 5_400_000, 4000, 16
"""Visits logged, as `tune` does by default; texts of the writer in the log; texts chosen among."""
USERS = (1000, 10_000)


@dataclass(frozen=True)
class Shop:
    """A world, what was logged in it by user and for the test, and texts to choose among."""

    world: World
    log: UserLog
    test: Counts
    reads: FrozenReader
    texts: list[Creative]
    """`EACH` after another for the same product and segment."""

    @classmethod
    def of(cls, users: int, seed: int, shrink: int) -> "Shop":
        """The built-in one; sizes divided by `shrink`."""
        scenario, catalog = load_scenario("shop")
        catalog = catalog.some(max(8, len(catalog) // shrink), seed)
        world = make_world(scenario, catalog, seed=seed, users=users)
        writer = load_base(WriterConfig())
        asked = [(product, segment) for product in catalog.products for segment in world.audience.segments]
        products, audiences = zip(*asked, strict=True)
        texts = writer.write(products, audiences, EACH, generator=torch.Generator().manual_seed(seed + 1))
        each = max(1, PILOT // len(asked))
        pilot = writer.write(products, audiences, each, generator=torch.Generator().manual_seed(seed + 16))
        shown = list({(c.product_id, c.text): c for c in [*catalog.ads, *pilot]}.values())
        generator = torch.Generator().manual_seed(seed + 5)
        log = log_users_uniform(world, shown, IMPRESSIONS // shrink, generator)
        test = log_users_uniform(world, shown, IMPRESSIONS // shrink // 9, generator).counts()
        reads = FrozenReader(writer, catalog)
        reads.keep(shown)
        return cls(world, log, test, reads, texts)


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`private`: by users and epsilon, the lift of what is chosen and how well the model predicts; private.json too."""
    shrink = 40 if options.run.quick else 1
    rows: list[dict[str, Any]] = []
    found: dict[str, Any] = {}
    for users in (200,) if options.run.quick else USERS:
        with run.stage(f"log of {users:,} users"):
            shop = Shop.of(users, options.run.seed, shrink)
        for name, epsilon, fit in _fits(shop, options.run.seed):
            began = time.perf_counter()
            with run.stage(f"{users:,} users, {name}") as stage:
                effect, noise = fit()
                row = {"users": users, "model": name, "epsilon": epsilon, "noise_multiplier": noise}
                row |= {**chosen(shop, effect), **predicted(shop, effect)}
                stage.advance(0, f"CTR {row['ctr_lift']:+.1%}, log-loss {row['log_loss']:.5f}")
            rows.append(row | {"seconds": round(time.perf_counter() - began, 1)})
            found = {"delta": DELTA, "clip": CLIP, "releases": FITS * RELEASES, "seed": options.run.seed, "rows": rows}
            found |= {"impressions": IMPRESSIONS // shrink, "among": EACH}
            write_json(run.path / "private.json", found)
    return {"private": found}


def _fits(shop: Shop, seed: int) -> list[tuple[str, float | None, Callable[[], tuple[TextEffect, float]]]]:
    """Names, epsilons and fits: privately, the same without noise, and as it is learned without privacy."""
    config, catalog = EffectConfig(), shop.world.catalog

    def private(epsilon: float) -> tuple[TextEffect, float]:
        budget = Budget.of(epsilon, DELTA, CLIP, FITS * RELEASES)
        noise = torch.Generator().manual_seed(seed + 100)
        effect = fit_private_effect_model(shop.log, catalog, config, budget, noise=noise, reads=shop.reads, seed=seed)
        return effect, budget.noise_multiplier

    def usual() -> tuple[TextEffect, float]:
        return fit_effect_model(shop.log.counts(), catalog, config, reads=shop.reads, seed=seed), 0.0

    def of(epsilon: float) -> Callable[[], tuple[TextEffect, float]]:
        return lambda: private(epsilon)

    names = {epsilon: "private" if math.isfinite(epsilon) else "cut, no noise" for epsilon in EPSILONS}
    found = [(name, epsilon if math.isfinite(epsilon) else None, of(epsilon)) for epsilon, name in names.items()]
    return [*found, ("not private", None, usual)]


def chosen(shop: Shop, effect: TextEffect) -> dict[str, float]:
    """Gold gains, relative to the average, of the texts whose clicks and conversions the model likes best."""
    text = effect.predict(shop.texts).text.mean(0).unflatten(0, (-1, EACH))
    # Conversions a click as the reward weighs them beside clicks: 0.3 to 0.5, in standard deviations.
    scaled = text / text.std((0, 1)).clamp(min=1e-9)
    best = (0.5 * scaled[..., CLICK] + 0.3 * scaled[..., CONVERT]).argmax(1)
    clicks, sales = gold(shop.world, shop.texts)
    at = torch.arange(len(best)) * EACH + best
    ctr = float(clicks[at].mean() / clicks.mean())
    cvr = float(sales[at].sum() / clicks[at].sum() / (sales.sum() / clicks.sum()))
    worth = clicks + CONVERSION_VALUE * sales
    return {"ctr_lift": ctr - 1, "cvr_lift": cvr - 1, "reward_lift": float(worth[at].mean() / worth.mean()) - 1}


def gold(world: World, texts: Sequence[Creative]) -> tuple[torch.Tensor, torch.Tensor]:
    """Two [n]: expected clicks and conversions an impression of each text, over the users it is written for."""
    number = {name: i for i, name in enumerate(world.audience.segments)}
    clicks, sales = [], []
    for part in (texts[i : i + 512] for i in range(0, len(texts), 512)):
        rates = world.gold(part)
        audience = torch.tensor([number[creative.audience] for creative in part])
        weight = (world.audience.segment[:, None] == audience) * world.audience.activity[:, None].double()
        weight = weight / weight.sum(0)
        clicks.append((weight * rates.click).sum(0))
        sales.append((weight * rates.click * rates.convert).sum(0))
    return torch.cat(clicks), torch.cat(sales)


def predicted(shop: Shop, effect: Any) -> dict[str, float]:
    """Log-loss and AUC of clicks, and log-loss of conversions, on visits that nothing was learned from."""
    rates, test = effect.predict_cells(shop.test).double().numpy(), shop.test
    click = binomial_metrics(rates[:, CLICK], test.impressions.double().numpy(), test.clicks.double().numpy())
    convert = binomial_metrics(rates[:, CONVERT], test.clicks.double().numpy(), test.conversions.double().numpy())
    kept = ("log_loss", "base_log_loss", "auc")
    return {key: click[key] for key in kept} | {f"convert_{key}": convert[key] for key in kept if key in convert}
