"""What is garbled copy to the readers of the simulated world? Fits the reader that the package ships."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..policies.base.corpus import corpus
from ..policies.writer.loading import load_model
from ..simulation.data.errors import InputError
from ..simulation.reader.chains import weak_lines
from ..simulation.reader.fit import TOLD, ReaderFit, Source, fit_reader
from ..simulation.reader.garbled import GarbledReader
from ..simulation.reader.network import Network, ReaderSizes, read_words
from ..simulation.reader.pairs import pair_vectors
from ..simulation.reader.spelling import bloom_filter
from ..simulation.scenario import load_scenario
from .harness.options import Common, Flat, RunOptions, refuse_below
from .harness.run import Run

READER = "reader.safetensors"
TRADES = ("shop", "support")
"""Built-in scenarios whose ads are read; those of the others judge the reader."""
HUMAN, GRAMMAR, ENGLISH = 0.3, 0.2, 0.5
"""Shares of what is read: ads of the trades, lines of the grammar, and lines of the files."""
HELD_OUT = 8
"""Every eighth product's ads set the threshold, and are not read."""
FALSE_ALARMS = 0.04
"""Share of those ads that lie above the threshold."""
SHARPNESS = 2.0
"""Factor on the logit beyond the threshold: what is not sure costs little."""


@dataclass(frozen=True)
class ReaderOptions:
    """Options of `copybandit reader`."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    model: Common[str] = "HuggingFaceTB/SmolLM2-135M-Instruct"
    """Pretrained language model, by name or directory: its vectors of words say which are of a kind."""
    english: Common[tuple[Path, ...]] = ()
    """Files of clean English, a line a text, such as the examples of a dictionary."""
    words: Common[Path | None] = None
    """File of words that are spelled right, a word a line, such as those of a dictionary; words of the clean lines are
    known anyway.
    """
    products: int = 2500
    """Invented products whose ads, by the grammar of the built-in writer's corpus, are read."""
    common: int = 10_000
    """Words of the model that are known beside those of the lines, the most common ones."""
    weak: int = 800
    """Lines of each weak model on each kind of clean lines."""
    width: int = 48
    """Numbers that say what a word is, and as many for what it leads to."""
    fit: ReaderFit = field(default_factory=ReaderFit)

    def __post_init__(self) -> None:
        refuse_below(self, products=1, common=100, weak=1, width=1)


def run_reader(options: ReaderOptions) -> Path:
    """`copybandit reader`: leaves reader.safetensors, which knows garbled lines from clean ones.

    Raises:
        InputError: the model cannot be loaded, or a file of lines cannot be read.
    """
    texts = {path.name: _lines(path) for path in options.english}
    spelled = _lines(options.words) if options.words is not None else []
    tokenizer, model = load_model(options.model, seed=options.run.seed)
    run = Run("reader", options)
    random = np.random.default_rng(options.run.seed)
    with run.stage("clean lines"):
        held, own, sources = _sources(options, texts)
        weak = [
            line
            for source in sources.values()
            for line in weak_lines(_some(source.lines, 8_000, random), options.weak, random)
        ]
    with run.stage("words"):
        clean = [line for source in sources.values() for line in _some(source.lines, 45_000, random)]
        read = [read_words(line) for line in dict.fromkeys([*clean, *sources["ads"].lines])]
        network = _network(options, tokenizer, model, read, spelled)
    with run.stage("fit", total=options.fit.steps) as stage:

        def told(step: int, loss: float) -> None:
            run.record(step, {"loss": loss})
            stage.advance(TOLD, f"loss {loss:.3f}")

        fit_reader(sources, weak, options.fit, network, seed=options.run.seed, told=told)
    threshold = float(GarbledReader(network, 0.0, 1.0).logits(held, own).quantile(1 - FALSE_ALARMS))
    card = _card(options, sources, weak)
    GarbledReader(network, threshold, SHARPNESS).save(run.path / READER, card)
    run.finish({"command": "reader", **card, "threshold": threshold})
    return run.path


def _lines(path: Path) -> list[str]:
    try:
        found = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: not a readable text file; give one in UTF-8, a line a text") from None
    if not found:
        raise InputError(f"{path}: has no lines; give clean English, a line a text")
    return found


def _some(lines: Sequence[str], most: int, random: np.random.Generator) -> list[str]:
    return [lines[int(i)] for i in random.permutation(len(lines))[:most]]


def _sources(
    options: ReaderOptions, texts: dict[str, list[str]]
) -> tuple[list[str], frozenset[str], dict[str, Source]]:
    """Ads that set the threshold, words of their catalogs, and what is read."""
    catalogs = [load_scenario(name)[1] for name in TRADES]
    away = {product.product_id for catalog in catalogs for product in catalog.products[::HELD_OUT]}
    ads = [ad for catalog in catalogs for ad in catalog.ads]
    held = list(dict.fromkeys(ad.text for ad in ads if ad.product_id in away))
    read = list(dict.fromkeys(ad.text for ad in ads if ad.product_id not in away))
    made = [line.text for line in corpus(options.products, 16, options.run.seed)]
    sources = {"ads": Source(read, HUMAN), "grammar": Source(made, GRAMMAR)}
    own = frozenset(word for catalog in catalogs for text in catalog.texts() for word in read_words(text))
    return held, own, sources | {name: Source(lines, ENGLISH / len(texts)) for name, lines in texts.items()}


def _network(
    options: ReaderOptions, tokenizer: Any, model: Any, lines: list[tuple[str, ...]], spelled: list[str]
) -> Network:
    often = Counter(word for line in lines for word in line if not word[0].isdigit())
    starts = [piece[1:] for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    common = [word for word in starts if word.isascii() and word.isalpha() and word.islower()]
    words = list(dict.fromkeys([*common[: options.common], *(word for word, count in often.items() if count > 3)]))
    ids = tokenizer([f" {word}" if word[0].isalpha() else word for word in words])["input_ids"]
    table: Tensor = model.get_input_embeddings().weight.detach().float().cpu()
    vectors = torch.stack([table[pieces].mean(0) for pieces in ids])
    vectors = (vectors - vectors.mean(0)) / vectors.std()
    known = bloom_filter({*often, *(word for entry in spelled for word in read_words(entry))})
    width = min(options.width, vectors.shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.run.seed)
        return Network(words, *pair_vectors(lines, words, vectors, width), known, ReaderSizes())


def _card(options: ReaderOptions, sources: dict[str, Source], weak: list[str]) -> dict[str, Any]:
    return {
        "model": Path(options.model).name,
        "lines": {name: len(source.lines) for name, source in sources.items()},
        "shares": {name: source.weight for name, source in sources.items()},
        "weak": len(weak),
        "held_out": f"every {HELD_OUT}th product of {' and '.join(TRADES)}: {FALSE_ALARMS:.0%} of its ads are above",
        "options": {"products": options.products, "common": options.common, "fit": asdict(options.fit)},
        "seed": options.run.seed,
    }
