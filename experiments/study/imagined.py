"""Products that do not exist, in the places of a catalog's: what a writer may be asked for, and the reward there."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from ...policies.base.corpus import invented
from ...policies.effect.model import EffectModel
from ...policies.reward.reward import Reward, RewardConfig
from ...simulation.data.catalog import Catalog, Product
from .study import Study

OWN_SEED = 6173
"""Its products are others than those that a base was pretrained on."""

Asked: TypeAlias = Sequence[tuple[Product, str]]
"""Prompts: a product and an audience each."""


def imagined(
    study: Study, asked: Asked, reward: Reward, config: RewardConfig, seed: int
) -> Iterator[tuple[Asked, Reward]]:
    """The prompts again, for invented products in the place of the catalog's, and the reward about these; without end.

    An invented product has the id and the category of one of the catalog's and nothing else of it, and so the effect
    model can be asked about it: it knows what words do in that category.

    Args:
        study: of a catalog, whose writer has read English.
        asked: prompts of the study.
        reward: the study's, frozen.
        config: the reward's.
        seed: of the products.
    """
    own, first = study.catalog, 0
    while True:
        made = invented(OWN_SEED + seed, first, len(own))
        first += len(own)
        products = [
            replace(one.product, product_id=place.product_id, category=place.category)
            for one, place in zip(made, own.products, strict=True)
        ]
        catalog = Catalog(products, own.ads, own.phrases, own.queries)
        there = [(catalog[product.product_id], audience) for product, audience in asked]
        yield there, _about(catalog, study, reward, config)


def _about(catalog: Catalog, study: Study, reward: Reward, config: RewardConfig) -> Reward:
    """The reward about another catalog in the place of the study's."""
    assert isinstance(study.effect, EffectModel)
    assert study.reader is not None
    reader = study.reader.about(catalog)
    compliance = replace(study, catalog=catalog).compliance(config)
    return reward.about(study.effect.about(catalog, reader), reward.quality.about(catalog, reader), compliance)
