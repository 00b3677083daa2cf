"""What tuning a writer takes of memory, said before it is taken."""

import psutil
import torch

from ..writer.writer import Writer

KEPT_A_UNIT = 68
"""Bytes that a pass keeps for its gradients, for each unit of a layer's width and token: 34 in 16 bits (Korthikanti et
al., arXiv 2205.05198, section 4.1, without attention scores, which are computed anew), twice that in 32."""
COPIES = 4
"""Of all weights: the writer's, those of the frozen reader, the untuned and the best so far."""
NUMBER = 4
"""Bytes of a number in float32."""


def tuning_bytes(writer: Writer, texts: int, tokens: int, *, adapted: bool) -> int:
    """Memory at its highest, roughly.

    Args:
        writer: that is tuned.
        texts: learned from at once.
        tokens: of each, its share of its prompt included.
        adapted: whether an adapter learns in the place of all weights, which then also are PPO's reference.
    """
    config = writer.model.config
    weights = NUMBER * sum(weight.numel() for weight in writer.model.parameters())
    # A gradient and two moments of AdamW for each weight that learns, and PPO's reference.
    learns = 0 if adapted else 4 * weights
    a_token = KEPT_A_UNIT * config.num_hidden_layers * config.hidden_size + 2 * NUMBER * config.vocab_size
    return COPIES * weights + learns + texts * tokens * a_token


def free_bytes(device: torch.device) -> int:
    """Memory that is free where a writer is."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available
