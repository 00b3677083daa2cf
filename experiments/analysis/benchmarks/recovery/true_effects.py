"""The main effects of a known world, under the names that calibration gives them."""

import numpy as np

from .....simulation.calibration.evidence import Evidence
from .....simulation.response.utilities import INTEREST_CLICK
from .....simulation.world import World


def true_effects(world: World, evidence: Evidence) -> dict[str, float]:
    """By the name of a `main_effects.Effect`, in its unit.

    Args:
        world: where the log comes from.
        evidence: the log; channels are relative to its first, and appeals are averaged over its products and, by
            their activity, over its users.
    """
    scenario, scales = world.scenario, world.scales
    found: dict[str, float] = {
        "interest: all": INTEREST_CLICK,
        "fatigue: all": scenario.fatigue,
        "wording: all": scales.text_click,
        "conversion, wording": scales.text_convert,
        "delay, mean hours": scenario.conversion_delay_hours,
    }
    base = scenario.channels[evidence.channels[0]].base
    for name, channel in scenario.channels.items():
        angle = 2 * np.pi * channel.peak_hour / 24
        found |= {
            f"channel: {name}": channel.base - base,
            f"hour, cos: {name}": channel.daily * float(np.cos(angle)),
            f"hour, sin: {name}": channel.daily * float(np.sin(angle)),
            f"intent: {name}": channel.intent,
        }
        for slot, look in enumerate(channel.examination[1:]):
            found[f"look: {name}, slot {slot + 2}"] = float(np.log(look))
    people = world.audience
    active = people.activity / people.activity.sum()
    found["conversion, price"] = float(active @ people.price_sensitivity)
    shown = np.bincount(evidence.product, minlength=len(evidence.catalog)) / len(evidence)
    categories = [scenario.category_tastes.get(p.category, {}) for p in evidence.catalog.products]
    for k, appeal in enumerate(scenario.appeals):
        of_category = float(shown @ [tastes.get(appeal, 0.0) for tastes in categories])
        found[f"appeal: {appeal}"] = scales.text_click * (float(active @ people.tastes[:, k]) + of_category)
    return found
