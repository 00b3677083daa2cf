"""How much better a place is than others: told before what texts do, and without mistaking one for the other."""

import torch
from torch import Tensor


def place_effects(
    trials: Tensor,
    successes: Tensor,
    place: Tensor,
    group: Tensor,
    places: int,
    *,
    sweeps: int = 20,
    prior: float = 20.0,
) -> Tensor:
    """How much better a place is than others, told from the same creatives shown to the same people elsewhere.

    Poisson regression on places and groups, by turns (iterative proportional fitting): a place where the better
    creatives were put is not taken for a better place, nor they for better ones because of it. See
    Deming and Stephan, Annals of Mathematical Statistics 11, 1940.

    Args:
        trials: [m, 2] of each cell.
        successes: [m, 2] of each cell.
        place: [m] where each cell was shown.
        group: [m] what was shown to whom.
        places: how many there are.
        sweeps: over places and groups.
        prior: successes as expected that every place is credited with.

    Returns:
        [places, 2] of the log of the rate, 0 on average.
    """
    size = int(group.max()) + 1 if len(group) else 0
    by_place = lambda part: part.new_zeros(places, 2).index_add(0, place, part)  # noqa: E731
    by_group = lambda part: part.new_zeros(size, 2).index_add(0, group, part)  # noqa: E731
    factor = torch.ones(places, 2, device=trials.device)
    of_place, of_group = by_place(successes), by_group(successes)
    for _ in range(sweeps):
        rate = of_group / by_group(trials * factor[place]).clamp(min=1e-9)
        factor = (of_place + prior) / (by_place(trials * rate[group]) + prior)
    effects = factor.log()
    return effects - effects.mean(0)
