"""The writer's reward: weighted clicks, conversions and novelty, minus penalties.

reward = w_ctr z(logit pCTR) + w_cvr z(logit pCVR) + w_div z(novelty) - penalties, each z squashed

or, as a product of quality and novelty (`combined: product`),

reward = softplus(w_ctr z(logit pCTR) + w_cvr z(logit pCVR)) / log 2 * (novelty / usual novelty)^w_div - 1 - penalties

Penalties are for failed checks of quality, and for what may not be published. Each z is centred and scaled by
statistics frozen on the untuned writer, so weights keep their meaning during a run. The logits' part that the
writer cannot change (product, segment, place) is left out before z. The ensemble is aggregated pessimistically: a text
on which its members disagree is worth less (Coste et al., arXiv 2310.02743).
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ...simulation.data.catalog import Catalog, Creative
from ...simulation.data.errors import InputError
from ...simulation.text.characters import characters
from ...simulation.text.encoder import TextEncoder, surface_features, tokens
from ..compliance.filter import Compliance
from ..effect.contract import CLICK, CONVERT, TextEffect
from ..writer.reading import FrozenReader
from .diversity import nearest_novelty, novelty
from .fluency import Fluency

TERMS = ("ctr", "cvr", "diversity")


@dataclass(frozen=True)
class RewardConfig:
    """Weights of the reward. By default effect is 80% (0.5 + 0.3) and diversity 20%: at the 60 to 40 of the article,
    chance in what is novel to a batch drowned much of what the effect model knows.
    """

    w_ctr: float = 0.50
    w_cvr: float = 0.30
    w_div: float = 0.20
    combined: Literal["sum", "product"] = "sum"
    """Whether novelty adds to quality or multiplies it (after DARLING, Li et al., arXiv 2509.02534): then novelty pays
    only for what is good.
    """
    ensemble: Literal["mean", "minimum"] = "mean"
    """What its members agree on: their mean less `pessimism` standard deviations, or the least of them."""
    pessimism: float = 0.5
    """Standard deviations of the ensemble that are taken off its mean."""
    penalty: float = 0.5
    """Taken off for each quality check that a text fails, and once if it may not be published, in units of the reward;
    it loses its novelty too. A larger one drowns what clicks and conversions say.
    """
    claims: Literal["strict", "flag", "off"] = "strict"
    """What becomes of claims that no field of the product supports: the text is refused (strict), a share that is only
    reported (flag), or nothing (off).
    """
    fluency: float = 0.95
    """Share of the catalog's own ads that read well enough; a text less likely than that, on the whole or in one place,
    fails a check (see `fluency`). With 0 nobody looks."""
    clip: float = 3.0
    """Each z is squashed to (-clip, clip): beyond it, more of one term pays little."""
    diversity_clip: float = 0.1
    """The same for novelty above the untuned writer's: diversity is to be kept, and chasing it makes odd texts."""

    def __post_init__(self) -> None:
        weights = (self.w_ctr, self.w_cvr, self.w_div)
        if min(weights) < 0 or max(weights) == 0:
            raise InputError(f"reward weights {weights}: each must be zero or more and one above zero; change them")
        if not 0 <= self.fluency < 1:
            raise InputError(f"reward.fluency {self.fluency}: give a share below 1, or 0 to look at none")


@dataclass(frozen=True)
class Normal:
    """Mean and standard deviation that z-scores refer to."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: Tensor) -> "Normal":
        """Of a sample; the deviation is kept above 1e-6."""
        return cls(float(values.mean()), max(float(values.std(correction=0)), 1e-6))

    def z(self, values: Tensor) -> Tensor:
        """(values - mean) / deviation."""
        return (values - self.mean) / self.deviation


def pessimistic(members: Tensor, strength: float) -> Tensor:
    """mean - strength * std over the ensemble: [M, n] -> [n]."""
    return members.mean(0) - strength * members.std(0, correction=0)


def aggregated(members: Tensor, config: RewardConfig) -> Tensor:
    """The ensemble's word as the settings want it: [M, n] -> [n]."""
    return members.min(0).values if config.ensemble == "minimum" else pessimistic(members, config.pessimism)


def squash(z: Tensor, below: float, above: float) -> Tensor:
    """clip * tanh(z / clip) with a clip for each side of 0: the identity near 0, never beyond -below or above."""
    return torch.where(z < 0, below * torch.tanh(z / below), above * torch.tanh(z / above))


@dataclass(frozen=True)
class Rewards:
    """The reward of n texts and all that went into it; every tensor [n]."""

    total: Tensor
    raw: dict[str, Tensor]
    """Pessimistic logits (`ctr`, `cvr`), novelty (`diversity`), failed checks (`failures`), and 1 where a rule refuses
    the text (`refused`).
    """
    weighted: dict[str, Tensor]
    """What each term adds to the total: they sum to it."""

    def means(self) -> dict[str, float]:
        """Means over the texts, as metrics.csv names them: `reward`, `raw/...`, `weighted/...`."""
        parts = {f"raw/{name}": values for name, values in self.raw.items()}
        parts |= {f"weighted/{name}": values for name, values in self.weighted.items()}
        return {name: float(values.mean()) for name, values in {"reward": self.total, **parts}.items()}


def combine(raw: dict[str, Tensor], statistics: dict[str, Normal], config: RewardConfig) -> Rewards:
    """The formula at the head of this file.

    Args:
        raw: [n] tensors `ctr`, `cvr`, `diversity`, `failures`, `refused`.
        statistics: of the untuned writer, by term.
        config: weights, clip and penalty.
    """
    weights = dict(zip(TERMS, (config.w_ctr, config.w_cvr, config.w_div), strict=True))
    above = {"ctr": config.clip, "cvr": config.clip, "diversity": config.diversity_clip}
    weighted = {n: w * squash(statistics[n].z(raw[n]), config.clip, above[n]) for n, w in weights.items()}
    if config.combined == "product":
        weighted = _product(
            weighted["ctr"], weighted["cvr"], raw["diversity"] / max(statistics["diversity"].mean, 1e-6), config
        )
    weighted["penalty"] = -config.penalty * raw["failures"]
    weighted["refused"] = -config.penalty * raw["refused"]
    return Rewards(torch.stack(list(weighted.values())).sum(0), raw, weighted)


def _product(ctr: Tensor, cvr: Tensor, novelty: Tensor, config: RewardConfig) -> dict[str, Tensor]:
    """Quality times novelty, both 1 for what the untuned writer usually writes, less 1, in parts that sum to it."""
    first, quality = softplus(ctr) / math.log(2), softplus(ctr + cvr) / math.log(2)
    varied = quality * novelty.clamp(min=0) ** config.w_div
    return {"ctr": first - 1, "cvr": quality - first, "diversity": varied - quality}


CHECKS = ("length", "repetition", "shouting", "symbols", "off_topic", "other_product", "echo", "fluency")
"""Names of the columns of `quality_failures`."""


class Quality:
    """Checks any advertiser would make before paying for an impression; they know the catalog, not the users."""

    def __init__(
        self,
        catalog: Catalog,
        lengths: tuple[float, float],
        *,
        naming: bool = True,
        limit: int | None = None,
        fluency: Fluency | None = None,
    ) -> None:
        """Sets what passes.

        Args:
            catalog: its titles are what texts name.
            lengths: fewest and most characters.
            naming: whether a text has to name its own product, and no other; headlines do not name their story.
            limit: most characters as platforms count them, if there is a limit.
            fluency: says which texts do not read well; None where nobody looks.
        """
        self.limit, self.fluency = limit, fluency
        self.catalog, self.lengths, self.naming = catalog, lengths, naming
        self._titles = [frozenset(tokens(product.title)) for product in catalog.products]

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        *,
        naming: bool = True,
        limit: int | None = None,
        fluency: Fluency | None = None,
    ) -> "Quality":
        """Allows a fifth less than the shortest of the catalog's own ads has, and no more than the longest."""
        lengths = sorted(len(ad.text) for ad in catalog.ads) or [10, 120]
        shortest, longest = 0.8 * lengths[0], lengths[-1]
        return cls(catalog, (shortest, longest), naming=naming, limit=limit, fluency=fluency)

    def about(self, catalog: Catalog, reader: FrozenReader) -> "Quality":
        """The same checks, for texts about another catalog, which `reader` reads."""
        fluency = self.fluency and self.fluency.by(reader)
        return Quality(catalog, self.lengths, naming=self.naming, limit=self.limit, fluency=fluency)

    def failures(self, creatives: Sequence[Creative]) -> Tensor:
        """[n, 8] float, 1 where a check fails; columns as in `CHECKS`."""
        surface = surface_features([creative.text for creative in creatives])
        length, _, upper, marks, symbols, _, repetition = surface.unbind(1)
        size = torch.tensor([characters(creative.text) for creative in creatives])
        named = torch.tensor([self._naming(creative) for creative in creatives]).reshape(-1, 2)
        columns = [
            (length < self.lengths[0]) | (length > self.lengths[1]) | (size > (self.limit or math.inf)),
            repetition > 0.4,
            (upper > 0.35) | (marks > 3),
            symbols > 0.08,
            named[:, 0] == 0,
            named[:, 1] > 0,
            torch.tensor(["|" in creative.text or "=>" in creative.text for creative in creatives]),
            torch.zeros(len(creatives)) if self.fluency is None else self.fluency.failures(creatives),
        ]
        return torch.stack(columns, dim=1).float()

    def said(self, creatives: Sequence[Creative]) -> list[str]:
        """Names of the checks that each text fails, separated by commas; mostly none."""
        rows = self.failures(creatives).tolist()
        return [", ".join(name for name, failed in zip(CHECKS, row, strict=True) if failed) for row in rows]

    def _naming(self, creative: Creative) -> list[float]:
        """Whether the text names its own product, and whether it names another in full."""
        if not self.naming:
            return [1.0, 0.0]
        said = frozenset(tokens(creative.text))
        own = self._titles[self.catalog.index[creative.product_id]]
        others = any(title <= said and not title <= own for title in self._titles)
        return [float(bool(said & own)), float(others)]


RewardFunction: TypeAlias = Callable[[Sequence[Creative], Tensor], Rewards]
"""Creatives and the [n] numbers of their prompts, to rewards."""


class Reward:
    """Scores creatives for the writer; the statistics are frozen by `freeze`, once, on the untuned writer."""

    def __init__(self, effect: TextEffect, quality: Quality, compliance: Compliance, config: RewardConfig) -> None:
        """Keeps the judges; call `freeze` before scoring."""
        self.effect, self.quality, self.compliance, self.config = effect, quality, compliance, config
        self.encoder = TextEncoder(dim=256, seed=11)
        self.members: dict[int, list[Normal]] = {}
        self.statistics: dict[str, Normal] = {}

    def freeze(self, untuned: Sequence[Creative], group: Tensor) -> None:
        """Takes the statistics of every z from texts of the untuned writer, sampled in groups as in training."""
        text = self.effect.predict(untuned).text
        good = self.sound(untuned)
        good = good if good.sum() >= 10 else torch.ones_like(good)
        self.members = {head: [Normal.of(t[good]) for t in text[..., head]] for head in (CLICK, CONVERT)}
        self.statistics = {name: Normal.of(values[good]) for name, values in self._raw(untuned, group).items()}

    def __call__(self, creatives: Sequence[Creative], group: Tensor) -> Rewards:
        """Scores n creatives; `group` [n] numbers their prompts, for novelty."""
        return combine(self._raw(creatives, group), self.statistics, self.config)

    def about(self, effect: TextEffect, quality: Quality, compliance: Compliance) -> "Reward":
        """The same reward, frozen on the same texts, whose judges speak of another catalog."""
        again = Reward(effect, quality, compliance, self.config)
        again.members, again.statistics = self.members, self.statistics
        return again

    def sound(self, creatives: Sequence[Creative]) -> Tensor:
        """[n] bool, whether a text passes all checks of quality and no rule refuses it."""
        return (self.quality.failures(creatives).sum(1) == 0) & (self.compliance.refused(creatives) == 0)

    def worth(self, creatives: Sequence[Creative]) -> Tensor:
        """[n] the part of the reward that is the effect model's word: clicks and conversions, no check, no novelty."""
        usual = torch.full((len(creatives),), self.statistics["diversity"].mean)
        none = torch.zeros(len(creatives))
        raw = {**self._expected(creatives), "diversity": usual, "failures": none, "refused": none}
        weighted = combine(raw, self.statistics, self.config).weighted
        return weighted["ctr"] + weighted["cvr"]

    def encode(self, creatives: Sequence[Creative]) -> Tensor:
        """[n, 256] unit vectors that novelty is measured between."""
        return self.encoder.encode([creative.text for creative in creatives])

    def fingerprint(self) -> str:
        """A short hash of all that it was frozen on: equal for rewards that score alike."""
        frozen = {name: (normal.mean, normal.deviation) for name, normal in self.statistics.items()}
        members = {head: [(n.mean, n.deviation) for n in normals] for head, normals in self.members.items()}
        return hashlib.sha256(repr((self.config, frozen, members)).encode()).hexdigest()[:16]

    def _raw(self, creatives: Sequence[Creative], group: Tensor) -> dict[str, Tensor]:
        failures, refused = self.quality.failures(creatives).sum(1), self.compliance.refused(creatives)
        vectors, sound = self.encode(creatives), (failures == 0) & (refused == 0)
        return {
            **self._expected(creatives),
            "diversity": (novelty(vectors, group, sound) + nearest_novelty(vectors, sound)) / 2,
            "failures": failures,
            "refused": refused,
        }

    def _expected(self, creatives: Sequence[Creative]) -> dict[str, Tensor]:
        text = self.effect.predict(creatives).text
        heads = {"ctr": CLICK, "cvr": CONVERT}
        return {name: aggregated(self._centred(text[..., head], head), self.config) for name, head in heads.items()}

    def _centred(self, logits: Tensor, head: int) -> Tensor:
        """Members centred on the untuned writer's texts, so that only disagreement about the text counts as such."""
        return torch.stack([t - normal.mean for t, normal in zip(logits, self.members[head], strict=True)])
