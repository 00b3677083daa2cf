"""Does the article's recipe work? 1,000 users, effect 60% and diversity 40%, Adam at 1e-3, 1,000 rounds, linear effect.

Where this departs from the article. Its Transformer generator is a softmax over a bank of texts, the reference ads of
each product, given the user's segment: a thousand rounds take seconds, and the expected reward is exact. Its diversity
term, log sum_j P_G(y_j | x), is zero for any generator; Rao's quadratic entropy stands in its place. Effect model and
generator are fitted one after the other, not together. Users, clicks and conversions are simulated, and judged by the
world's own response, which neither of the two has seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..agents.agent import CONVERSION_VALUE
from ..policies.effect.contract import CLICK, CONVERT
from ..policies.reward.attacks import attacked, possible_attacks
from ..policies.reward.diversity import vendi
from ..simulation.data.catalog import Creative
from ..simulation.logs import count_uniform
from ..simulation.scenario import load_scenario
from ..simulation.text.encoder import TextEncoder
from ..simulation.world import World, make_world
from .analysis.article.chosen_words import chosen_words, with_words
from .analysis.article.linear_effect import ArticleFeatures, LinearEffect, Log, Training, fit_linear, loss, predicted
from .analysis.article.phrase_generator import Bank, probabilities, sample_texts, standardised, train_generator
from .analysis.drawing.formats import bracketed
from .analysis.report.page import write_report
from .analysis.statistics.bootstrap import Interval
from .analysis.statistics.paired import t_interval
from .harness.options import Flat, RunOptions, refuse_below
from .harness.run import Run
from .study.worlds import WorldOptions

CHOSEN_WORDS = "chosen words"
"""Name of the attack that knows the model; all others are the suite's."""
RIDGES = (100.0, 1000.0, 10_000.0)
RADII = (0.3, 1.0, 3.0)
"""Tried in a world of development that is not reported; the best predict texts held out of its log."""
DEVELOPMENT = 1_000_000
"""Added to the seed for that world."""


@dataclass(frozen=True)
class CaseStudyOptions:
    """Options of `copybandit case-study`; the defaults are the article's."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    world: Flat[WorldOptions] = field(default_factory=WorldOptions)
    seeds: int = 5
    """Worlds, each with its own users, log and generator."""
    effect_weight: float = 0.6
    """Weight of clicks and conversions."""
    diversity_weight: float = 0.4
    """Weight of diversity."""
    learning_rate: float = 1e-3
    """Of Adam, for both models."""
    rounds: int = 1000
    """Steps, for both models."""
    log_impressions: int = 500_000
    """Visits of the log that the effect model learns from, ads placed at random."""
    attacked_ads: int = 200
    """Ads that each attack is tried on."""
    conversion_value: float = CONVERSION_VALUE
    """Worth of a conversion in clicks."""

    def __post_init__(self) -> None:
        refuse_below(self, seeds=2, rounds=1, log_impressions=1000, attacked_ads=1, conversion_value=0)
        refuse_below(self, effect_weight=0, diversity_weight=0)


def run_case_study(options: CaseStudyOptions) -> Path:
    """`copybandit case-study`: leaves lifts beside the article's, and what regularisation and attacks did.

    Raises:
        InputError: an option is no good.
    """
    run = Run("case-study", options)
    with run.stage("regularisation") as stage:
        trainings, losses = choose_trainings(logged(options, options.run.seed + DEVELOPMENT), options)
        stage.advance(1, ", ".join(f"{name} {t.ridge:g} {t.radius:g}" for name, t in trainings.items()))
    cases = []
    for seed in range(options.run.seed, options.run.seed + options.seeds):
        with run.stage(f"seed {seed}", total=3) as stage:
            study = logged(options, seed)
            stage.advance(1, "log")
            models = {name: study.fit(study.log, training, options) for name, training in trainings.items()}
            stage.advance(1, "effect models")
            case = judge_generator(study, models["both"], options, seed)
            case["attacks"] = {name: attack(study, model, options, seed) for name, model in models.items()}
            cases.append(case)
            stage.advance(1, f"CTR {case['ctr']:+.1%}, CVR {case['cvr']:+.1%}")
        run.record(seed, {name: case[name] for name in ("ctr", "cvr", "reward", "kept")})
    run.finish({"command": "case-study", **summary(cases, trainings, losses)})
    write_report(run.path)
    return run.path


@dataclass(frozen=True)
class LoggedWorld:
    """A world of a seed, and what was logged in it."""

    world: World
    reader: ArticleFeatures
    log: Log

    def fit(self, log: Log, training: Training, options: CaseStudyOptions) -> LinearEffect:
        """The effect model from a part of the log."""
        catalog, segments = self.world.catalog, len(self.world.audience.segments)
        sizes = (len(catalog), segments, len(catalog.categories))
        return fit_linear(log, sizes, training, options.rounds, options.learning_rate)


def logged(options: CaseStudyOptions, seed: int) -> LoggedWorld:
    """Builds a world and logs its reference ads, placed at random."""
    scenario, catalog = load_scenario(options.world.scenario)
    world = make_world(scenario, catalog, seed=seed, users=options.world.users)
    generator = torch.Generator().manual_seed(seed + 5)
    counts = count_uniform(world, catalog.ads, options.log_impressions, generator)
    reader = ArticleFeatures([ad.text for ad in catalog.ads])
    return LoggedWorld(world, reader, Log.of(counts, catalog, reader))


def choose_trainings(study: LoggedWorld, options: CaseStudyOptions) -> tuple[dict[str, Training], dict[str, float]]:
    """Ridge and radius with the least loss on a fifth of the texts, held out; nothing of the gold is asked.

    Returns:
        The four ways to train (plain, ridge, adversarial, both), and their losses an impression.
    """
    log = study.log
    held = torch.rand(len(log.features), generator=torch.Generator().manual_seed(options.run.seed)) < 0.2
    train, test = log.part(~held), log.part(held)

    def held_out(training: Training) -> float:
        model = study.fit(train, training, options)
        logits = model.logits(test.features, test.product, test.category)
        return float(loss(logits, test).sum() / test.trials[..., CLICK].sum())

    plain = Training()
    losses = {t: held_out(t) for t in (plain, *(Training(r) for r in RIDGES), *(Training(0.0, r) for r in RADII))}
    ridge = min((t for t in losses if t.ridge), key=losses.__getitem__)
    adversarial = min((t for t in losses if t.radius), key=losses.__getitem__)
    losses |= {t: held_out(t) for t in (Training(ridge.ridge, radius) for radius in RADII)}
    both = min((t for t in losses if t.radius and t.ridge), key=losses.__getitem__)
    found = {"plain": plain, "ridge": ridge, "adversarial": adversarial, "both": both}
    return found, {name: losses[training] for name, training in found.items()}


def worth(logits: Tensor, value: float) -> Tensor:
    """[S, n] log of clicks plus `value` times conversions, from [n, S, 2] logits."""
    rates = torch.sigmoid(logits)
    return (rates[..., CLICK] * (1 + value * rates[..., CONVERT])).log().T


def judge_generator(study: LoggedWorld, model: LinearEffect, options: CaseStudyOptions, seed: int) -> dict[str, Any]:
    """Trains the generator on the model's word; its gold lift over the even generator, and the diversity kept."""
    world, reader = study.world, study.reader
    ads, catalog = world.catalog.ads, world.catalog
    product = torch.tensor(catalog.product_indices(ads))
    bank = Bank.of(product, len(catalog))
    promised = standardised(worth(predicted(model, reader, ads, catalog), options.conversion_value), bank, product)
    features, vectors = reader([ad.text for ad in ads]), TextEncoder().encode([ad.text for ad in ads])
    segment = world.audience.segment
    weights = train_generator(
        promised,
        features,
        vectors,
        bank,
        segment,
        torch.Generator().manual_seed(seed + 7),
        effect=options.effect_weight,
        diversity=options.diversity_weight,
        rounds=options.rounds,
        learning_rate=options.learning_rate,
    )
    tuned, even = (probabilities(w, features, bank) for w in (weights, torch.zeros_like(weights)))
    gold = world.gold(ads)
    clicks, conversions = _earned(tuned, bank, gold.click, gold.convert, world)
    clicks0, conversions0 = _earned(even, bank, gold.click, gold.convert, world)
    value = options.conversion_value
    draw = torch.Generator().manual_seed(seed + 9)
    words = TextEncoder(dim=256, seed=77, ngrams=(1, 2), words=True).encode([ad.text for ad in ads])
    scores = [vendi(words[torch.cat([sample_texts(chance, bank, draw) for _ in range(2)])]) for chance in (tuned, even)]
    return {
        "ctr": clicks / clicks0 - 1,
        "cvr": (conversions / clicks) / (conversions0 / clicks0) - 1,
        "reward": (clicks + value * conversions) / (clicks0 + value * conversions0) - 1,
        "kept": scores[0] / scores[1],
    }


def _earned(chance: Tensor, bank: Bank, click: Tensor, convert: Tensor, world: World) -> tuple[float, float]:
    """Expected clicks and conversions an impression of the top slot, users by how much they visit."""
    spread = torch.zeros(len(chance), click.shape[1])
    spread.index_add_(1, bank.index.flatten(), (chance * bank.there).flatten(1))
    share = spread[world.audience.segment] / len(bank.index)
    weight = (world.audience.activity / world.audience.activity.sum())[:, None]
    return float((weight * share * click).sum()), float((weight * share * click * convert).sum())


def attack(study: LoggedWorld, model: LinearEffect, options: CaseStudyOptions, seed: int) -> dict[str, float]:
    """False gain: how much more the model promises of an ad after an attack than the gold gains by it, in log reward.

    A promise that does not rise counts as nothing gained, and so does a gold that falls: what is measured is what the
    model would offer a generator for an attack.

    Returns:
        Means over ads by attack, `CHOSEN_WORDS` among them, and `mean` over attacks.
    """
    ads, catalog, value = study.world.catalog.ads, study.world.catalog, options.conversion_value
    order = torch.randperm(len(ads), generator=torch.Generator().manual_seed(seed + 11))[: options.attacked_ads]
    chosen = [ads[i] for i in order.tolist()]

    def promise(creatives: Sequence[Creative]) -> Tensor:
        return worth(predicted(model, study.reader, creatives, catalog), value).mean(0)

    def truth(creatives: Sequence[Creative]) -> Tensor:
        rates = study.world.gold(creatives)
        return (rates.click * (1 + value * rates.convert)).mean(0).log()

    found, before = {}, (promise(chosen), truth(chosen))
    tried = {name: attacked(chosen, name, catalog) for name in possible_attacks(catalog)}
    for name, changed in (tried | {CHOSEN_WORDS: with_words(chosen, chosen_words(chosen, promise))}).items():
        promised, true = promise(changed) - before[0], truth(changed) - before[1]
        found[name] = float((promised - true.clamp(min=0)).clamp(min=0).mean())
    return found | {"mean": float(np.mean(list(found.values())))}


def summary(
    cases: Sequence[dict[str, Any]], trainings: dict[str, Training], losses: dict[str, float]
) -> dict[str, Any]:
    """Lifts over seeds, false gains by model and attack, and whether holding the model back paid."""

    def over(values: Sequence[float]) -> Interval:
        return t_interval(np.array(values))

    models = list(cases[0]["attacks"])
    false_gains = {
        model: {name: over([case["attacks"][model][name] for case in cases]) for name in cases[0]["attacks"][model]}
        for model in models
    }
    gains = {
        f"{model} over {base}": over([c["attacks"][base]["mean"] - c["attacks"][model]["mean"] for c in cases])
        for model, base in (("ridge", "plain"), ("adversarial", "plain"), ("both", "ridge"))
    }
    return {
        "lift": {name: over([case[name] for case in cases]) for name in ("ctr", "cvr", "reward")},
        "lift_over": f"{len(cases)} seeds",
        "case": {
            "kept": over([case["kept"] for case in cases]),
            "false_gains": false_gains,
            "gains": gains,
            "held_out": losses,
            "trainings": {model: vars(training) for model, training in trainings.items()},
            "verdicts": [verdict(name, gain) for name, gain in gains.items()],
        },
    }


def verdict(name: str, gain: Interval) -> str:
    """A sentence on a gain in robustness."""
    figure = f"{bracketed(gain, '+.3f')} in log reward"
    if gain["low"] > 0:
        return f"{name}: less fooled, {figure}."
    return f"{name}: {'more fooled' if gain['high'] < 0 else 'no gain shown, useless here'}, {figure}."
