"""Which slots a visitor looked at, judged by the clicks: the share of a trial that each slot counts for.

Position-based: a slot in a place that is examined with probability theta counts as theta of a trial, so that rewards
over trials estimate the attraction without bias (Lagree, Vernade and Cappe, "Multiple-play bandits in the
position-based model", NeurIPS 2016). Cascade: what lies below a click was not looked at (Kveton et al., "Cascading
bandits", ICML 2015). Dependent clicks: it was, if the visitor read on (Katariya et al., "DCM bandits", ICML 2016).
"""

import torch
from torch import Tensor


def examined_trials(examined: Tensor, clicked: Tensor, going_on: float) -> Tensor:
    """Probability that each slot was looked at, given the clicks above it: a_k going_on^(clicks above).

    At `going_on` 1 these are the position-based model's trials, at 0 the cascade's. Visitors who left before they
    clicked hide among those who clicked nothing; with click rates c the share is too large by at most
    sum_{j < k} (1 - going_on) (1 - a_j) c_j, a few percent (4% in the lowest slot of `support`).

    Args:
        examined: [B, L] probability of looking at a slot where nothing above it was clicked.
        clicked: [B, L] bool, top slot first.
        going_on: probability of reading on after a click.
    """
    above = clicked.float().cumsum(1) - clicked.float()
    return examined * torch.pow(going_on, above)
