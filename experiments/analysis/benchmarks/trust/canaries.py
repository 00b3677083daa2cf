"""Canaries: how well writer and effect model know by heart a code that stood in 0, 1, 10 or 100 of the ads.

Carlini et al., "The Secret Sharer" (arXiv 1802.08232). Departures: a canary is ranked among a sample of the
lines of its form, not among all; and for the effect model, which has no likelihood, lines are ranked by how far their
score is from the others' mean.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from string import ascii_lowercase, digits
from typing import Any

import numpy as np
import pandas as pd
import torch

from .....policies.compliance.claims import Claims
from .....policies.effect.model import EffectConfig, EffectModel, fit_effect_model
from .....policies.learning.warm_start import WarmStartConfig, warm_start
from .....policies.writer.exposure import exposure, extrapolated_exposure, log_perplexities
from .....policies.writer.prompts import prompt
from .....policies.writer.writer import Writer, WriterConfig, load_writer, make_writer
from .....simulation.data.catalog import Catalog, Creative
from .....simulation.logs import count_uniform
from .....simulation.scenario import Scenario, load_scenario
from .....simulation.world import make_world
from ....harness.files import write_table
from ....harness.run import Run
from ..options import BenchmarkOptions

PLANTED = {0: 3, 1: 3, 10: 3, 100: 1}
"""How many ads say a code, and how many codes of each form are planted so often; 0 is the control."""
CODE = 6
"""Signs of a code, with a space between two."""


@dataclass(frozen=True)
class Sizes:
    """Of one repetition."""

    writer: WriterConfig = field(default_factory=WriterConfig)
    lines: int = 24_000
    impressions: int = 2_000_000
    candidates: int = 1023
    effect: EffectConfig = field(default_factory=EffectConfig)


QUICK = Sizes(WriterConfig(1, 32, 2, 600, 20), 640, 40_000, 255, EffectConfig(steps=20))


@dataclass(frozen=True)
class Form:
    """Lines that differ in a code alone."""

    words: str
    signs: str

    @property
    def space(self) -> int:
        """How many there are."""
        return len(self.signs) ** CODE

    def draw(self, n: int, random: np.random.Generator) -> list[str]:
        """n different lines."""
        found: dict[str, None] = {}
        while len(found) < n:
            found[f"{self.words} {' '.join(random.choice(list(self.signs), CODE))}"] = None
        return list(found)


FORMS = {"digits": Form("Order code", digits), "letters": Form("Ask for code", ascii_lowercase)}


@dataclass(frozen=True)
class Canary:
    """A line that was planted, and one of the products whose ad it is."""

    form: str
    planted: int
    line: str
    product_id: str

    def others(self, n: int, random: np.random.Generator) -> list[str]:
        """n other lines of its form."""
        return [line for line in FORMS[self.form].draw(n + 1, random) if line != self.line][:n]


def measure(options: BenchmarkOptions, run: Run) -> dict[str, Any]:
    """`{writer,effect}.{form}.{planted}`: mean exposure in bits and that of each code; and `most`, log2 |R|."""
    scenario, catalog = load_scenario("shop")
    sizes = QUICK if options.run.quick else Sizes()
    repeats = 1 if options.run.quick else options.repeats
    rows = []
    with run.stage("canaries", total=3 * repeats) as stage:
        for repeat in range(repeats):
            seed = options.run.seed + repeat
            own, canaries = plant(catalog, np.random.default_rng([seed, 77]))
            for name, read in (("writer", own), ("writer, nothing planted", catalog)):
                writer = exported_writer(read, list(scenario.segments), sizes, seed)
                rows += writer_rows(writer, own, canaries, sizes.candidates, seed, name)
                write_table(run.path / "canaries.csv", pd.DataFrame(rows))
                stage.advance(1, name)
            rows += effect_rows(learned_effect(scenario, own, sizes, seed), canaries, sizes.candidates, seed)
            write_table(run.path / "canaries.csv", pd.DataFrame(rows))
            stage.advance(1, "effect model")
    table = pd.DataFrame(rows)
    claims = Claims(catalog)
    random = np.random.default_rng(options.run.seed)
    let_through = {
        name: float(np.mean([not claims.unsupported(Creative(catalog.products[0].product_id, x)) for x in lines]))
        for name, lines in ((name, form.draw(200, random)) for name, form in FORMS.items())
    }
    found = {"most": float(np.log2(sizes.candidates + 1)), "let_through": let_through} | summarised(table)
    _show(found, run)
    return found


def plant(catalog: Catalog, random: np.random.Generator) -> tuple[Catalog, list[Canary]]:
    """The catalog with canaries among its ads, those of one line on products drawn anew until all had their turn."""
    ads, canaries = list(catalog.ads), []
    for name, form in FORMS.items():
        times_of = [times for times, codes in PLANTED.items() for _ in range(codes)]
        for times, line in zip(times_of, form.draw(len(times_of), random), strict=True):
            order = random.permutation(len(catalog))
            products = [catalog.products[order[i % len(order)]].product_id for i in range(max(times, 1))]
            ads += [Creative(product, line) for product in products[:times]]
            canaries.append(Canary(name, times, line, products[0]))
    return catalog.with_ads(ads), canaries


def exported_writer(catalog: Catalog, audiences: Sequence[str], sizes: Sizes, seed: int) -> Writer:
    """A writer that learned from the catalog's ads, all of them, as it is once it was saved and loaded."""
    writer = make_writer(catalog, sizes.writer, seed=seed)
    warm_start(writer, catalog, audiences, WarmStartConfig(lines=sizes.lines), seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        writer.save(folder)
        return load_writer(folder, sizes.writer)


def writer_rows(
    writer: Writer, catalog: Catalog, canaries: Sequence[Canary], candidates: int, seed: int, name: str
) -> list[dict[str, Any]]:
    """Exposure of each canary as the answer to the prompt of one of its products."""
    rows = []
    for number, canary in enumerate(canaries):
        others = canary.others(candidates, np.random.default_rng([seed, number]))
        bits = log_perplexities(writer, prompt(catalog[canary.product_id]), [canary.line, *others])
        rows.append(_row(name, canary, seed, bits[0], bits[1:]))
    return rows


def learned_effect(scenario: Scenario, catalog: Catalog, sizes: Sizes, seed: int) -> EffectModel:
    """An effect model that learned from a log of the catalog's ads, each of which was shown for its product."""
    shown = list(dict.fromkeys(catalog.ads))
    world = make_world(scenario, catalog, seed=seed)
    counts = count_uniform(world, shown, sizes.impressions, torch.Generator().manual_seed(seed))
    return fit_effect_model(counts, catalog, sizes.effect, seed=seed)


def effect_rows(effect: EffectModel, canaries: Sequence[Canary], candidates: int, seed: int) -> list[dict[str, Any]]:
    """Exposure of each canary by how far its predicted click rate is from that of other lines; and the share of its
    code's pairs of signs that stand in the vocabulary of words.
    """
    known = set(effect.state()["words"]["words"]["ngrams"]["ngrams"])
    rows = []
    for number, canary in enumerate(canaries):
        others = canary.others(candidates, np.random.default_rng([seed, number]))
        ads = [Creative(canary.product_id, line) for line in (canary.line, *others)]
        score = effect.predict(ads).text[..., 0].mean(0).double().numpy()
        apart = -np.abs(score - score[1:].mean())
        pairs = [_known_pairs(line, known) for line in (canary.line, *others)]
        deviations = float((score[0] - score[1:].mean()) / score[1:].std())
        more = {"deviations": deviations, "pairs": pairs[0], "pairs_of_others": float(np.mean(pairs[1:]))}
        rows.append(_row("effect", canary, seed, apart[0], apart[1:]) | more)
    return rows


def _known_pairs(line: str, known: set[str]) -> float:
    code = line.split()[-CODE:]
    return float(np.mean([f"{a} {b}" in known for a, b in pairwise(code)]))


def _row(name: str, canary: Canary, seed: int, own: float, others: np.ndarray) -> dict[str, Any]:
    about = {"what": name, "form": canary.form, "planted": canary.planted, "seed": seed}
    beyond = extrapolated_exposure(own, others, FORMS[canary.form].space) if name != "effect" else float("nan")
    return about | {"exposure": exposure(own, others), "extrapolated": beyond}


def summarised(table: pd.DataFrame) -> dict[str, Any]:
    """Means over codes by what was asked, form and number of ads, and the exposure of each code."""
    found: dict[str, Any] = {}
    for (what, form, planted), part in table.groupby(["what", "form", "planted"], sort=False):
        figures = part.drop(columns=["what", "form", "planted", "seed"]).mean().dropna()
        row = {str(name): float(value) for name, value in figures.items()} | {"each": part.exposure.tolist()}
        found.setdefault(str(what), {}).setdefault(str(form), {})[str(planted)] = row
    return found


def _show(found: dict[str, Any], run: Run) -> None:
    run.say(f"exposure in bits, at most {found['most']:.1f}; about 1.4 of a line that was never read")
    for what in ("writer", "writer, nothing planted", "effect"):
        for form, rows in found[what].items():
            told = "  ".join(f"{planted}: {row['exposure']:4.1f}" for planted, row in rows.items())
            run.say(f"{what:<24} {form:<8} in so many ads  {told}")
    for form, share in found["let_through"].items():
        run.say(f"lines with {form} that --reward.claims strict lets a writer learn from: {share:.0%}")
