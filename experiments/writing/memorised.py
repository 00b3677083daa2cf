"""What a run's checkpoint carries of what it learned from: lines by heart, numbers and addresses, traces in files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...policies.base.start import load_base
from ...policies.writer.checkpoint import CHECKPOINT, check_checkpoint
from ...policies.writer.exposure import exposure, log_perplexities
from ...policies.writer.prompts import prompt
from ...policies.writer.repetition import longest_run, look_alikes, repeated_share, words_of
from ...policies.writer.writer import Writer, WriterConfig, load_writer
from ...simulation.data.catalog import EVERYONE, Catalog, Creative
from ...simulation.data.errors import InputError
from ...simulation.data.personal import personal
from ..harness.config import flat, override, value_of
from ..harness.files import read_yaml
from ..study.archive import learned_catalog
from ..study.options import DataOptions
from ..study.shop import brought
from .traces import traces

SAMPLED = 256
"""Texts that are drawn from the writer."""
ALIKE = 255
"""Lines that a personal one is ranked among, so that its exposure is 8 bits at most."""
RANKED = 20
"""Personal lines that are ranked, at most, the rarest first."""

CODE = 4
"""Digits beyond which a number of a personal line is none that copy shares, as a year is."""


@dataclass(frozen=True)
class Carried:
    """What was found; see `Carried.facts` for what each figure is."""

    facts: dict[str, Any]
    """`ads`, `sampled`, `repeated` (share of texts that are an ad word for word), `longest_run` (words); `personal`
    (ads that look personal), `ranked`, `exposures` in bits, `most`, `known` (those ranked first),
    `vocabulary` (of their numbers, those that are one token); `files`, what each gives away."""
    run: tuple[str, ...]
    """The longest run of words that a text has in common with a line; empty where that line looks personal."""

    def lines(self) -> list[str]:
        """For people; the verdict is the last. What looks personal is not repeated."""
        facts = self.facts
        told = [
            f"{facts['repeated']:.1%} of {facts['sampled']} sampled texts are an ad of {facts['ads']:,} word for word",
            f"most words in a row that a text has in common with an ad: {facts['longest_run']} ({self._run()})",
        ]
        if facts["personal"]:
            bits = ", ".join(f"{bit:.1f}" for bit in facts["exposures"])
            told.append(
                f"{facts['personal']:,} ads look personal (an address, a telephone or another long number); exposure "
                f"of {facts['ranked']} of them: {bits} bits, of {facts['most']:.0f} at most"
            )
        else:
            told.append("no ad looks personal: none has an address, a telephone or another long number")
        told += [f"{name}: {what}" for name, found in facts["files"].items() for what in found]
        return [*told, self.verdict()]

    def _run(self) -> str:
        if self.run:
            return f"'{' '.join(self.run)}'"
        return "of one that looks personal" if self.facts["longest_run"] else "none"

    def verdict(self) -> str:
        """One line."""
        facts, why = self.facts, []
        if facts["repeated"]:
            why.append(f"{facts['repeated']:.1%} of its texts repeat an ad")
        if facts["known"]:
            why.append(f"{facts['known']} of {facts['ranked']} personal lines are known by heart")
        if facts["vocabulary"]:
            why.append(f"{facts['vocabulary']} long numbers of the ads are words of its vocabulary")
        if facts["files"]:
            why.append(f"{', '.join(facts['files'])} tell of this machine or of people")
        if why:
            return f"verdict: look before you hand it on: {'; '.join(why)}"
        return "verdict: no line of the ads by heart was found, and no trace of this machine or of people in its files"


def carried(run: Path, seed: int = 0) -> Carried:
    """Looks through a run's checkpoint, beside what the run learned from, which is read again.

    Args:
        run: directory of a finished loop or tune.
        seed: of the texts that are sampled and of the lines that personal ones are ranked among.

    Raises:
        InputError: there is no such checkpoint, or what the run learned from is no longer there.
    """
    folder = run / CHECKPOINT
    check_checkpoint(folder)
    catalog, ids = learned_from(run)
    writer, random = load_writer(str(folder)), np.random.default_rng(seed)
    texts = _sampled(writer, catalog, seed)
    lines = list(dict.fromkeys(ad.text for ad in catalog.ads))
    shared = longest_run(texts, lines)
    private = any(longest_run([line], [" ".join(shared)]) == shared for line in lines if any(personal(line)))
    return Carried(
        {
            "ads": len(lines),
            "sampled": len(texts),
            "repeated": repeated_share(texts, lines),
            "longest_run": len(shared),
            **_personal(writer, catalog, random),
            "files": traces(folder, ids),
        },
        () if private else shared,
    )


def learned_from(run: Path) -> tuple[Catalog, set[str]]:
    """The catalog with its ads that a run learned from, and the user ids of its log, where it had one.

    Raises:
        InputError: a file is not there any more.
    """
    path = run / "config.yaml"
    config = read_yaml(path)
    data = override(DataOptions(), config.get("data") or {}, str(path))
    settings = flat(config)
    seed = int(value_of(settings, "run.seed") or 0)
    try:
        if data.archive is not None:
            return learned_catalog(data, seed), set()
        _, catalog, table = brought(str(value_of(settings, "world.scenario")), data, seed)
    except InputError as error:
        raise InputError(f"{error}; --check reads again what the run learned from") from None
    return catalog, set() if table is None else set(table.user_id)


def _sampled(writer: Writer, catalog: Catalog, seed: int) -> list[str]:
    """Texts for everyone, as many of each product as it takes."""
    products = [catalog.products[i % len(catalog)] for i in range(SAMPLED)]
    generator = torch.Generator().manual_seed(seed)
    written = writer.write(products, [EVERYONE] * SAMPLED, generator=generator)
    return [creative.text for creative in written]


def _personal(writer: Writer, catalog: Catalog, random: np.random.Generator) -> dict[str, Any]:
    """Lines are ranked by how much likelier they are than to the base, which has not read them: an address of common
    words is likelier than random letters to anybody (Carlini et al., arXiv 2012.07805, compare two models likewise).
    """
    base = load_base(WriterConfig())
    found = [(ad, part) for ad in dict.fromkeys(catalog.ads) for _, part in personal(ad.text)]
    ranked = _rarest(found)[:RANKED]
    exposures = []
    for ad, part in ranked:
        others = look_alikes(ad.text, part, ALIKE, random)
        asked = prompt(catalog[ad.product_id]), [ad.text, *others]
        bits = log_perplexities(writer, *asked) - log_perplexities(base, *asked)
        exposures.append(exposure(bits[0], bits[1:]))
    most = float(np.log2(ALIKE + 1))
    vocabulary = {token.lstrip("Ġ▁ ") for token in writer.tokenizer.get_vocab()}
    numbers = {word for _, part in found for word in words_of(part) if word.isdigit() and len(word) > CODE}
    return {
        "personal": len({ad for ad, _ in found}),
        "ranked": len(ranked),
        "exposures": exposures,
        "most": most,
        "known": sum(bits == most for bits in exposures),
        "vocabulary": len(numbers & vocabulary),
    }


def _rarest(found: Sequence[tuple[Creative, str]]) -> list[tuple[Creative, str]]:
    """A line once, with its part: those first that the fewest products have."""
    products: dict[tuple[str, str], list[Creative]] = {}
    for ad, part in found:
        products.setdefault((ad.text, part), []).append(ad)
    return [(ads[0], part) for (_, part), ads in sorted(products.items(), key=lambda item: len(item[1]))]
