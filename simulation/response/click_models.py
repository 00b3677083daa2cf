"""How visitors go down a slate: which slots they look at, and which creatives they click.

Position-based (PBM): each slot is looked at with a probability of its own, whatever else happens. Cascade (Craswell et
al., "An experimental comparison of click position-bias models", WSDM 2008): from the top down until the first click.
Dependent clicks (DCM; Guo, Liu and Wang, "Efficient multiple-click models in web search", WSDM 2009): as the cascade,
but after a click the visitor goes on with some probability. Names as in Chuklin, Markov and de Rijke, Click Models for
Web Search (2015).

Here a channel's `attention` is the probability that a slot is looked at if nothing above it is clicked. With
`going_on`, the probability of reading on after a click, at 1 the expectation is the PBM's, at 0 the cascade's.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor


def first_showing(slates: Tensor) -> Tensor:
    """Which slots of [B, L] slates show what no slot above them shows, [B, L] bool."""
    slots = slates.unbind(1)
    first = [torch.ones_like(slots[0], dtype=torch.bool)]
    for slot in range(1, len(slots)):
        new = slots[slot] != slots[0]
        for above in slots[1:slot]:
            new &= slots[slot] != above
        first.append(new)
    return torch.stack(first, dim=1)


def examination(attention: Tensor, click: Tensor, shown: Tensor, going_on: float) -> Tensor:
    """Probability that each slot is looked at: a_k prod_{j < k} (1 - (1 - going_on) c_j), 0 where nothing is shown.

    Args:
        attention: [B, L] probability of looking where nothing above was clicked.
        click: [B, L] P(click | looked at).
        shown: [B, L] bool; an empty slot is never looked at and passed without a click.
        going_on: probability of reading on after a click.
    """
    if going_on == 1.0:
        return attention * shown
    kept = torch.cumprod(1 - (1 - going_on) * click[:, :-1] * shown[:, :-1], dim=1)
    return attention * shown * torch.cat([torch.ones_like(kept[:, :1]), kept], dim=1)


def walk(
    luck: Sequence[Tensor], attention: Tensor, chances: Tensor, shown: Tensor, going_on: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Draws what is looked at, clicked and converted.

    Args:
        luck: three [B, L] of uniform numbers: of the look, the click and the conversion.
        attention: [B, L] probability of looking where nothing above was clicked; falling with the slot unless PBM.
        chances: [2, B, L] P(click | looked at), P(conversion | click).
        shown: [B, L] bool.
        going_on: probability of reading on after a click; None for the PBM, whose slots are looked at independently.

    Returns:
        Three [B, L] bool, each true only where the one before is.
    """
    wants = luck[1] < chances[0]
    if going_on is None:
        looked = (luck[0] < attention) & shown
    else:
        looked = _read_down(luck[0], attention, wants, shown, going_on)
    clicked = looked & wants
    return looked, clicked, clicked & (luck[2] < chances[1])


def _read_down(luck: Tensor, attention: Tensor, wants: Tensor, shown: Tensor, going_on: float) -> Tensor:
    looks = []
    reads = torch.ones_like(shown[:, 0])
    above = stay = torch.ones_like(attention[:, 0])
    for slot in range(attention.shape[1]):
        # Of those who came as far as the slot above, attention / attention above would come as far as this one.
        reads = reads & (luck[:, slot] < stay * attention[:, slot] / above)
        looks.append(reads & shown[:, slot])
        stay = torch.where(looks[-1] & wants[:, slot], going_on, 1.0)
        above = attention[:, slot]
    return torch.stack(looks, 1)


def top_slots(score: Tensor, slots: int) -> Tensor:
    """The `slots` best of each row, best first: [B, K] -> [B, slots]. Optimal when slots are ordered by examination
    and slots do not influence each other (PBM).
    """
    return torch.topk(score, slots, dim=1).indices


def best_order(attention: Tensor, click: Tensor, worth: Tensor, going_on: float, spare: int = 2) -> Tensor:
    """The order of most worth where a click keeps later slots from being seen, by trying them all, [B, L].

    Tried are the slates made of the L + `spare` candidates of most worth; a candidate further down that would win by
    leaving more visitors to those below is not considered.

    Args:
        attention: [B, L].
        click: [B, K] P(click | looked at).
        worth: [B, K] expected worth of a look.
        going_on: probability of reading on after a click.
        spare: candidates tried beyond the L best.
    """
    slots = attention.shape[1]
    tried = top_slots(worth, min(slots + spare, worth.shape[1]))
    orders = torch.tensor(list(itertools.permutations(range(tried.shape[1]), slots)), device=worth.device)
    best, value = tried[:, :slots], torch.full_like(worth[:, 0], -torch.inf)
    for order in orders:
        slate = tried[:, order]
        shown = torch.ones_like(slate, dtype=torch.bool)
        looked = examination(attention, click.gather(1, slate), shown, going_on)
        total = (looked * worth.gather(1, slate)).sum(1)
        better = total > value
        best, value = torch.where(better[:, None], slate, best), torch.where(better, total, value)
    return best
