"""Scales at which a world shows the rates that its scenario asks for, on the catalog's reference ads."""

import torch
from torch import Tensor

from ..data.errors import InputError
from ..scenario import Scenario
from ..text.reading import Reading
from ..visitors.traffic import Traffic
from .click_models import examination
from .rates import attributed, intercept_for_rate, scale_for_gain
from .utilities import Scales, Utilities

SAMPLE = 4000
"""Visits that the rates are met on."""


def meet(scenario: Scenario, utilities: Utilities, traffic: Traffic) -> Scales:
    """Fits text effects, then intercepts, to the CTR and CVR of the reference ads under uniform placement.

    Raises:
        InputError: the catalog has no reference ads.
    """
    ads = utilities.catalog.ads
    if not ads:
        raise InputError("the catalog has no reference ads, which set the world's rates; add a table of ads or phrases")
    product, reading = utilities.read(ads)
    text_click = 1.0
    if scenario.text_effect is not None:
        said = utilities.text(product, reading).T.contiguous()
        text_click = scale_for_gain(said, product, scenario.text_effect, beside=utilities.clarity(reading))
    text_convert = scale_for_gain(
        reading.convert[:, None], product, scenario.text_effect_cvr, beside=utilities.truth(reading)
    )
    utilities.scales = Scales(0.0, 0.0, text_click, text_convert)
    bases = _intercepts(scenario, utilities, traffic, product, reading)
    return Scales(*bases, text_click, text_convert)


def _intercepts(
    scenario: Scenario, utilities: Utilities, traffic: Traffic, product: Tensor, reading: Reading
) -> tuple[float, float]:
    device = utilities.device
    generator = torch.Generator(device).manual_seed(0)
    sample = traffic.sample(SAMPLE, generator)
    pick = torch.randint(len(product), (SAMPLE, scenario.slots), generator=generator, device=device)
    user, channel, query = (part[:, None] for part in (sample.user, sample.channel, sample.query))
    logits = utilities.sought(utilities.catalog.ads)[channel, query + 1, pick]
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
