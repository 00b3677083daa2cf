"""The federated part of `copybandit benchmark`: how much is lost when silos keep their rows, and what do they send?"""

import time
from typing import Any

import torch
from torch import Tensor

from ....policies.effect.contract import CLICK, CONVERT
from ....policies.effect.federated import Schedule, fit_federated_effect_model
from ....policies.effect.metrics import binomial_metrics
from ....policies.effect.model import VALIDATORS, EffectConfig, EffectModel, fit_effect_model
from ....simulation.logs import Counts
from ....simulation.scenario import load_scenario
from ....simulation.user_log import UserLog, log_users_uniform
from ....simulation.world import make_world
from ...harness.files import write_json
from ...harness.run import Run
from .options import BenchmarkOptions

IMPRESSIONS = 600_000
SCHEDULES = (Schedule(20, 1), Schedule(4, 5))
"""As many steps in all; with five steps alone, a fourth of the messages and more drift."""


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`federated`: log-loss, AUC and bytes of the pooled fit and of silos, by how rows are spread over them."""
    shrink = 20 if options.run.quick else 1
    scenario, catalog = load_scenario("shop")
    world = make_world(scenario, catalog, seed=options.run.seed)
    generator, config = torch.Generator().manual_seed(options.run.seed + 5), EffectConfig()
    with run.stage("log"):
        log = log_users_uniform(world, catalog.ads, IMPRESSIONS // shrink, generator)
        test = log_users_uniform(world, catalog.ads, IMPRESSIONS // shrink // 5, generator).counts()
    rows: list[dict[str, Any]] = []

    def told(name: str, effect: EffectModel, began: float, **facts: Any) -> None:
        rows.append({"rows": name, **facts, **scores(effect, test), "seconds": round(time.perf_counter() - began, 1)})
        write_json(
            run.path / "federated.json",
            {"seed": options.run.seed, "impressions": len(log) // world.slots, "table": rows},
        )
        last = rows[-1]
        sent = f", {last['bytes'] / 1e6:.1f} MB" if "bytes" in last else ""
        run.say(
            f"  {name:<28} {facts.get('rounds', ''):>3} log-loss {last['log_loss']:.5f} AUC {last['auc']:.4f}{sent}"
        )

    began = time.perf_counter()
    told("pooled, as it is learned", fit_effect_model(log.counts(), catalog, config, members=VALIDATORS), began)
    for name, silo in spread(log, options.run.seed).items():
        parts = [log.counts(silo == number) for number in range(int(silo.max()) + 1)]
        for schedule in SCHEDULES:
            began = time.perf_counter()
            effect, sent = fit_federated_effect_model(parts, catalog, config, schedule, slots=world.slots)
            facts = {"rounds": schedule.rounds, "local_steps": schedule.local_steps, "bytes": sent}
            told(name, effect, began, silos=len(parts), **facts)
        if name != "one silo":
            began = time.perf_counter()
            largest = max(parts, key=lambda part: float(part.impressions.sum()))
            alone, _ = fit_federated_effect_model([largest], catalog, config, SCHEDULES[0], slots=world.slots)
            told(f"the largest of {name}, alone", alone, began, silos=1)
    return {"federated": rows}


def spread(log: UserLog, seed: int) -> dict[str, Tensor]:
    """By name, [n] the number of each row's silo: by users evenly and not, by channel, by segment."""
    users, generator = torch.arange(log.users), torch.Generator().manual_seed(seed)
    mixed = users[torch.randperm(log.users, generator=generator)]
    even = {f"{k} silos, even": (mixed % k)[log.user] for k in (2, 5, 10)}
    # Each holds half of what is left: 1/2, 1/4, 1/8, 1/16, 1/16.
    uneven = (torch.log2(log.users / (mixed + 1.0)).long()).clamp(max=4)
    return {
        "one silo": torch.zeros_like(log.user),
        **even,
        "5 silos, each half the next": uneven[log.user],
        "a silo a channel": log.place // log.slots,
        "a silo a segment": log.segment[log.user],
    }


def scores(effect: EffectModel, test: Counts) -> dict[str, float]:
    """Log-loss and AUC of clicks, and log-loss of conversions."""
    rates = effect.predict_cells(test).double().numpy()
    shown, clicks, sales = (part.double().numpy() for part in (test.impressions, test.clicks, test.conversions))
    click, convert = (
        binomial_metrics(rates[:, CLICK], shown, clicks),
        binomial_metrics(rates[:, CONVERT], clicks, sales),
    )
    found = {"log_loss": click["log_loss"], "base_log_loss": click["base_log_loss"], "auc": click["auc"]}
    return found | ({"convert_log_loss": convert["log_loss"]} if convert else {})
