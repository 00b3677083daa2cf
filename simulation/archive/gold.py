"""The gold world of an archive: readers who click on headlines as real ones did.

Clicks come from a model fitted to one part of the archive's tests (`text_process.py`), on its own calibrated scale.
What no real headline looks like was not tested, so flaws (nonsense, shouting, endless text) cost clicks beyond it;
headlines like the real ones are free of them. Archives have no conversions: the scenario makes them up
(`scenarios/archive`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..data.catalog import Catalog, Creative
from ..reader.garbled import GarbledCopy
from ..scenario import BUILT_IN, Scenario, read_scenario
from ..text.encoder import surface_features, tokens
from ..text.reading import Fluency, Phrases, Reading, share_attention
from ..text.word_order import WordOrder
from ..world import World, make_world
from .own_effects import OwnEffects
from .tests import Archive
from .text_process import TextMean, fit_text_process

NEWS = BUILT_IN / "archive" / "news.yaml"


class ArchiveReader:
    """Reads headlines as an archive's readers did: clicks as measured, flaws and conversions as the world has it."""

    def __init__(
        self,
        process: TextMean,
        scenario: Scenario,
        catalog: Catalog,
        headlines: Sequence[str],
        own: OwnEffects | None = None,
    ) -> None:
        """Keeps the click model.

        Args:
            process: log-odds of clicks.
            scenario: words that make or break a conversion.
            catalog: the stories that headlines belong to.
            headlines: real ones; a text is flawed as far as it strays from them.
            own: what texts have beyond the model, which a judge of writers leaves out and a world to place in has.
        """
        self.own = own
        self.process, self.scenario, self.catalog = process, scenario, catalog
        self._phrases = Phrases([*(appeal.words for appeal in scenario.appeals.values()), scenario.overclaims])
        self._convert_weight = torch.tensor([appeal.convert for appeal in scenario.appeals.values()])
        language = [*headlines, *(product.description or product.title for product in catalog.products)]
        self._fluency, self._order = Fluency(language, tolerance=2.0), WordOrder(language)
        self._garbled = GarbledCopy(catalog.with_ads([]), headlines)
        surface = torch.log1p(surface_features(headlines))
        self._low, self._high = surface.quantile(0.002, dim=0), surface.quantile(0.998, dim=0)
        self._spread = surface.std(0, correction=0).clamp(min=0.02)
        self._stories = [frozenset(tokens(f"{p.title} {p.description}")) for p in catalog.products]
        self._rarity = _rarity(self._stories)

    @property
    def judges_language(self) -> bool:
        """Whether its readers know garbled copy in the archive's language."""
        return self._garbled.judges

    def read(self, creatives: Sequence[Creative]) -> Reading:
        """Reads headlines; appeals matter after the click only, so none meets a user's taste."""
        parts = self.explain(creatives)
        part = {name: torch.tensor(parts[name].to_numpy(np.float32)) for name in parts}
        appeals = torch.stack([part[name] for name in self.scenario.appeals], dim=1)
        convert = appeals @ self._convert_weight - part["overclaim"] + 0.6 * part["grounding"] - 0.5 * part["flaws"]
        click = part["measured"] - part["flaws"]
        # A story says all there is to a headline, and holds no list of facts.
        no_facts = torch.zeros_like(click)
        return Reading(torch.zeros_like(appeals), click, convert, part["overclaim"], part["garbled"], no_facts)

    def explain(self, creatives: Sequence[Creative]) -> pd.DataFrame:
        """The terms behind a reading, a row a creative: appeals by name, `measured` (log-odds of a click by the
        archive), `flaws`, `garbled`, `overclaim`, and `grounding` (how much it says of its story).
        """
        texts = [creative.text for creative in creatives]
        said = self._phrases(texts)
        counts, hype = said[:, :-1], said[:, -1]
        frame = pd.DataFrame(share_attention(1 - torch.exp(-counts)).numpy(), columns=list(self.scenario.appeals))
        measured, flaws, unclear = (
            self._measured(creatives),
            self._flaws(texts).numpy(),
            self._garbled.read(texts).numpy(),
        )
        if self.own is not None:
            # What a test found has the text's flaws in it.
            flaws, unclear = (np.where(self.own.was_tested(creatives), 0.0, part) for part in (flaws, unclear))
        return frame.assign(
            measured=measured,
            flaws=flaws,
            garbled=unclear,
            overclaim=(1 - torch.exp(-hype)).numpy(),
            grounding=[self._grounding(creative) for creative in creatives],
        )

    def _measured(self, creatives: Sequence[Creative]) -> np.ndarray:
        if self.own is not None:
            return self.own(creatives, self.process.predict)
        return self.process.predict([creative.text for creative in creatives])

    def _flaws(self, texts: Sequence[str]) -> Tensor:
        surface = torch.log1p(surface_features(texts))
        beyond = torch.maximum(surface - self._high, self._low - surface).clamp(min=0) / self._spread
        strange = self._fluency.read(texts) + self._order.read(texts)
        return 2.0 * torch.tanh((strange + (1 - torch.exp(-beyond)).sum(1)) / 2.0)

    def _grounding(self, creative: Creative) -> float:
        shared = frozenset(tokens(creative.text)) & self._stories[self.catalog.index[creative.product_id]]
        return 1 - float(np.exp(-sum(self._rarity[word] for word in shared)))


def _rarity(stories: Sequence[frozenset[str]]) -> dict[str, float]:
    """1 for a word of one story, 0 for one that a tenth of the stories or more have: log-linear between."""
    counts = pd.Series([word for story in stories for word in story], dtype=object).value_counts()
    share = np.log(0.1 * len(stories) / counts) / np.log(max(0.1 * len(stories), 2.0))
    return share.clip(0, 1).to_dict()


def archive_world(
    archive: Archive,
    catalog: Catalog,
    *,
    seed: int = 0,
    users: int = 1000,
    device: torch.device | str = "cpu",
    scenario: Path = NEWS,
) -> World:
    """A world whose clicks are learned from an archive.

    Args:
        archive: tests that the click model is fitted on. What learns in this world must not have seen them.
        catalog: the stories that headlines are written for, and reference headlines, which set CTR and CVR.
        seed: of everything random.
        users: size of the audience.
        device: torch device of the world.
        scenario: all that the archive does not say.

    Returns:
        A world whose `reader` is an `ArchiveReader`; `reader.process.unseen` says how good the click model is.
    """
    setting = read_scenario(scenario)
    setting = setting.model_copy(update={"ctr": float(archive.arms.clicks.sum() / archive.arms.impressions.sum())})
    process = fit_text_process(archive.contrasts, seed=seed)
    reader = ArchiveReader(process, setting, catalog, archive.arms.text.tolist())
    return make_world(setting, catalog, seed=seed, users=users, device=device, reader=reader)
