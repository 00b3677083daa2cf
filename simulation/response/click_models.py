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
from functools import cache
from typing import Any

import torch
from torch import Tensor


def first_showing(slates: Any) -> Any:
    """Which slots of [B, L] slates show what no slot above them shows, [B, L] bool; of tensors or of numpy arrays."""
    first = slates == slates
    for slot in range(1, slates.shape[1]):
        for above in range(slot):
            first[:, slot] &= slates[:, slot] != slates[:, above]
    return first


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
    """The order of most worth where a click keeps later slots from being seen, [B, L].

    By dynamic programming from the last slot up: what the slots from k on are worth to a visitor who comes so far
    depends on which candidates stand above, not on their order. With S of them above,

        value(S) = max over i not in S of  a_k worth_i + (1 - (1 - going_on) c_i) value(S + i).

    Considered are the L + `spare` candidates of most worth; one further down that would win by leaving more visitors to
    those below is not.

    Args:
        attention: [B, L].
        click: [B, K] P(click | looked at).
        worth: [B, K] expected worth of a look.
        going_on: probability of reading on after a click.
        spare: candidates considered beyond the L best.
    """
    slots = min(attention.shape[1], worth.shape[1])
    tried = top_slots(worth, min(slots + spare, worth.shape[1]))
    worth, goes_on = worth.gather(1, tried), 1 - (1 - going_on) * click.gather(1, tried)
    steps = [step.to(tried.device) for step in _one_more(tried.shape[1], slots)]
    value, picks = torch.zeros_like(worth[:, :1]).expand(-1, int(steps[-1].max()) + 1), []
    for slot in reversed(range(slots)):
        ways = attention[:, slot, None, None] * worth[:, None] + goes_on[:, None] * value[:, steps[slot]]
        value, pick = ways.masked_fill(steps[slot] < 0, -torch.inf).max(2)
        picks.insert(0, pick)
    above, order = torch.zeros_like(tried[:, 0]), []
    for pick, step in zip(picks, steps, strict=True):
        order.append(pick.gather(1, above[:, None])[:, 0])
        above = step[above, order[-1]]
    return tried.gather(1, torch.stack(order, 1))


@cache
def _one_more(items: int, slots: int) -> list[Tensor]:
    """Slot by slot, which set of items stands above when one more is put there: [sets of k, items] -> sets of k + 1, in
    the order of `itertools.combinations`; -1 where the item stands there already.
    """
    sets = [list(itertools.combinations(range(items), size)) for size in range(slots + 1)]
    place = [{chosen: index for index, chosen in enumerate(level)} for level in sets]
    return [
        torch.tensor([[place[k + 1].get(tuple(sorted({*chosen, i})), -1) for i in range(items)] for chosen in sets[k]])
        for k in range(slots)
    ]
