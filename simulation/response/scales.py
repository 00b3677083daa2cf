"""Scales at which a world shows the rates that its scenario asks for, on the catalog's reference ads."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..data.errors import InputError
from ..scenario import Scenario
from ..text.reading import Reading
from ..visitors.traffic import Traffic
from .click_models import examination
from .rates import attributed, intercept_for_rate, scale_for_gain
from .utilities import Scales, Utilities, agreement

LEAST = 1e-3
"""Deviation of what pictures say, in units of tastes, below which they say the same."""
FREE = 8
"""Pictures beyond each product's first from which on a product's own are compared."""
SAMPLE = 4000
"""Visits that the rates are met on."""
PEOPLE = 20_000
"""Users that the effect of texts is fitted to; of a larger audience as many are drawn."""


def meet(scenario: Scenario, utilities: Utilities, traffic: Traffic) -> Scales:
    """Fits text effects, then intercepts, to the CTR and CVR of the reference ads under uniform placement.

    Raises:
        InputError: the catalog has no reference ads.
    """
    ads = utilities.catalog.ads
    if not ads:
        raise InputError("the catalog has no reference ads, which set the world's rates; add a table of ads or phrases")
    some = _of_some(utilities)
    product, reading = utilities.read(ads)
    text_click = 1.0
    if scenario.text_effect is not None:
        said = some.text(product, reading).T.contiguous()
        text_click = scale_for_gain(said, product, scenario.text_effect, beside=utilities.clarity(reading))
    text_convert = scale_for_gain(
        reading.convert[:, None], product, scenario.text_effect_cvr, beside=utilities.truth(reading)
    )
    scales = some.scales = utilities.scales = Scales(0.0, 0.0, text_click, text_convert)
    if reading.sight is not None:
        scales = utilities.scales = replace(scales, **_of_pictures(scenario, some))
    click, convert = _intercepts(scenario, utilities, traffic, product, reading)
    return replace(scales, click_base=click, convert_base=convert)


def _of_some(utilities: Utilities) -> Utilities:
    """The same of as many people as are enough, drawn from all."""
    everyone = len(utilities.audience)
    if everyone <= PEOPLE:
        return utilities
    some = torch.randperm(everyone, generator=torch.Generator().manual_seed(0))[:PEOPLE]
    return utilities.of(utilities.audience[some])


def _of_pictures(scenario: Scenario, utilities: Utilities) -> dict[str, float]:
    """Factors at which, among all ads of a product beside all its pictures, picture and interplay have their shares of
    the variance, ads' own factors given. Log-odds are those of the average user; conversions are given clicks' shares.

    Where hardly a product has two pictures, those of different products stand for such as one might have.
    """
    catalog, scales, shares = utilities.catalog, utilities.scales, scenario.pictures
    ads = [(ad, image) for ad in catalog.ads for image in catalog[ad.product_id].images]
    if not ads:
        return {}
    product, reading = utilities.read([replace(ad, image=image) for ad, image in ads])
    assert reading.sight is not None
    rows = _numbers([(ad.product_id, ad.text) for ad, _ in ads])
    columns = _numbers([(ad.product_id, image) for ad, image in ads])
    several = sum(len(p.images) - 1 for p in catalog.products if p.images) >= FREE
    among = product if several else torch.zeros_like(product)
    met = agreement(reading.appeals, reading.sight.appeals)
    text = scales.text_click * utilities.text(product, reading).mean(0) + utilities.clarity(reading)
    parts = {
        "text": text,
        "picture_click": utilities.picture(product, reading.sight).mean(0),
        "interplay": met - _mean_by(met, rows) - _mean_by(met, columns) + _mean_by(met, product) if several else met,
        "text_convert": scales.text_convert * reading.convert + utilities.truth(reading),
        "picture_convert": reading.sight.convert,
    }
    of_texts = ("text", "text_convert")
    spread = {n: _deviation(part, product if n in of_texts else among) for n, part in parts.items()}
    left = 1 - shares.share - shares.interplay
    return {
        "picture_click": _factor(shares.share / left, spread["text"], spread["picture_click"]),
        "interplay": _factor(shares.interplay / left, spread["text"], spread["interplay"]),
        "picture_convert": _factor(shares.share / left, spread["text_convert"], spread["picture_convert"]),
    }


def _factor(ratio: float, known: float, unit: float) -> float:
    """What brings a deviation to the known one times the root of a ratio of variances; 0 where there is none."""
    return ratio**0.5 * known / unit if unit > LEAST else 0.0


def _deviation(values: Tensor, group: Tensor) -> float:
    """Of values from the means of their groups."""
    return float((values - _mean_by(values, group)).square().mean().sqrt())


def _numbers(keys: Sequence[tuple[str, str]]) -> Tensor:
    number: dict[tuple[str, str], int] = {}
    return torch.tensor([number.setdefault(key, len(number)) for key in keys])


def _mean_by(values: Tensor, group: Tensor) -> Tensor:
    """[n] the mean of each value's group."""
    group = group.to(values.device)
    size = int(group.max()) + 1
    total = values.new_zeros(size).index_add(0, group, values)
    return (total / group.bincount(minlength=size).clamp(min=1))[group]


def _intercepts(
    scenario: Scenario, utilities: Utilities, traffic: Traffic, product: Tensor, reading: Reading
) -> tuple[float, float]:
    device = utilities.device
    generator = torch.Generator(device).manual_seed(0)
    sample = traffic.sample(SAMPLE, generator)
    pick = torch.randint(len(product), (SAMPLE, scenario.slots), generator=generator, device=device)
    user, channel, query = (part[:, None] for part in (sample.user, sample.channel, sample.query))
    logits = utilities.sought(utilities.catalog.ads)[channel, query + 1, pick]
    if len(utilities.audience) > PEOPLE:
        who, user = user.unique(return_inverse=True)
        utilities = utilities.of(utilities.audience[who])
    logits = logits + utilities.click(product, reading)[user, pick]
    logits = logits + (0.0 if sample.moment is None else sample.moment[:, None])
    attention = torch.tensor([c.examination for c in scenario.channels.values()], device=device)[sample.channel]
    examine, shown, click_base = attention, torch.ones_like(attention, dtype=torch.bool), 0.0
    for _ in range(8 if scenario.top_down else 1):
        click_base = intercept_for_rate(logits, examine, scenario.ctr / float(examine.mean()))
        # Where clicks keep visitors from the slots below, how much is looked at depends on the base, and the other way.
        examine = examination(attention, torch.sigmoid(click_base + logits), shown, scenario.reads_on)
    weights = examine * torch.sigmoid(click_base + logits)
    counted = attributed(scenario.conversion_delay_hours, scenario.attribution_hours)
    sales = utilities.convert(product, reading)[user, pick]
    return click_base, intercept_for_rate(sales, weights, scenario.cvr / counted)
