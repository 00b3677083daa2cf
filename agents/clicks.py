"""Which slots a visitor looked at, judged by the clicks: the share of a trial that each slot counts for."""

import torch
from torch import Tensor


def cascade_trials(clicked: Tensor) -> Tensor:
    """Visitors read down to their first click and stop (Kveton et al., "Cascading bandits", ICML 2015).

    Args:
        clicked: [B, L] bool, top slot first.

    Returns:
        [B, L] float, 1 down to the first click, 0 below; 1 everywhere where nothing was clicked.
    """
    above = clicked.long().cumsum(1) - clicked.long()
    return (above == 0).float()


def dependent_trials(clicked: Tensor) -> Tensor:
    """Visitors may read on after a click (Katariya et al., "DCM bandits", ICML 2016): certain down to the last click.

    Args:
        clicked: [B, L] bool, top slot first.

    Returns:
        [B, L] float, 1 down to the last click, 0 below; 1 everywhere where nothing was clicked.
    """
    at_or_below = clicked.long().flip(1).cumsum(1).flip(1)
    return ((at_or_below > 0) | ~clicked.any(1, keepdim=True)).float()


def position_trials(examination: Tensor, channel: Tensor, slots: int) -> Tensor:
    """[B, L] examination of each slot in the visitor's channel: [channels, L'], [B] -> [B, slots]."""
    return torch.index_select(examination, 0, channel)[:, :slots]
