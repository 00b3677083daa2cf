"""What TRL's PPO loop calls, made ours: sampling, and a forward pass that looks at answers only.

The loop generates with a stack of all logits kept, and in training computes logits for prompts and padding too; of each
it wants one log-probability a token. `own_calls` puts our functions in the place of five names of TRL's module while a
writer is tuned. The loop itself stays as it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from trl.experimental.ppo import ppo_trainer

from ..writer.likelihood import log_likelihood
from ..writer.rollout import Sampling, sample
from .policy_gradient import Stopped, seed_all


class AnswerLogits:
    """Stands where TRL keeps the [n, T, V] logits of answers: holds the log-probabilities of their tokens, [n, T].

    They are at the temperature of sampling already. TRL logs the entropy of each token's distribution too; in its place
    stands the surprise of the token that was drawn from it, whose expectation it is.
    """

    def __init__(self, log_probs: Tensor) -> None:
        """Keeps them."""
        self.log_probs = log_probs

    def __getitem__(self, rows: slice | tuple[slice, slice]) -> "AnswerLogits":
        """Rows; a second slice cuts answers out of prompts and answers, which has been done."""
        rows = rows[0] if isinstance(rows, tuple) else rows
        return AnswerLogits(self.log_probs[rows])

    def __itruediv__(self, temperature: float) -> "AnswerLogits":
        """Done already."""
        return self

    def __mul__(self, other: "AnswerLogits") -> "AnswerLogits":
        """Probabilities times logits, of which TRL takes the sum; see `__torch_function__`."""
        return self

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: tuple, kwargs: dict | None = None) -> Any:
        """TRL logs the entropy as logsumexp(logits) - sum(softmax(logits) * logits): here -log p - 0."""
        logits: AnswerLogits = args[0]
        if function is nn.functional.softmax:
            return logits
        if function is torch.logsumexp:
            return -logits.log_probs.detach()
        if function is torch.sum:
            return torch.zeros_like(logits.log_probs)
        return NotImplemented


class PolicyAndValue(ppo_trainer.PolicyAndValueWrapper):
    """TRL's pair of policy and value model, whose forward pass is `log_likelihood`; the critic answers elsewhere."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - called by `Calls.forward` alone
        self, ids: Tensor, context: int, how: Sampling
    ) -> Tensor:
        """A tensor, as parallel wrappers of the module want it."""
        return log_likelihood(self.policy, ids, context, how.pad, how.temperature, how.sayable)


class Calls:
    """The functions that TRL calls."""

    def __init__(self, how: Sampling, seed: int, done: int, kl_cap: float, group: int, *, bf16: bool = False) -> None:
        """Sets how answers are sampled, the seed of this process, the number of updates done before, the KL, in nats a
        text, above which a batch is not learned from, the answers a prompt, and whether to compute in bfloat16.
        """
        self.how, self.seed, self.update, self.kl_cap, self.group = how, seed, done, kl_cap, group
        self.context, self.bf16 = 0, bf16
        self._rollout = torch.zeros(0)

    def batch_generation(self, model: Any, queries: Tensor, *_: Any) -> tuple[Tensor, AnswerLogits]:
        """Samples answers to [n, P] queries: the first thing an update does."""
        self.update += 1
        seed_all(self.seed, self.update)
        self.context = queries.shape[1]
        was_training = model.training
        model.eval()
        with self._precision(queries):
            sampled = sample(model, queries, (queries != self.how.pad).long(), self.how)
        model.train(was_training)
        self._rollout = sampled.log_probs
        return torch.cat([queries, sampled.tokens], 1), AnswerLogits(sampled.log_probs)

    def forward(self, model: Any, ids: Tensor, pad: int) -> Any:
        """The reference's answers (its module is the language model), or the policy's and no values in training.

        Raises:
            Stopped: the batch lies beyond the cap of the KL from the reference.
        """
        if isinstance(model.module if hasattr(model, "module") else model, PolicyAndValue):
            log_probs = model(ids, self.context, self.how)
            return SimpleNamespace(logits=AnswerLogits(log_probs)), log_probs.new_zeros(*ids.shape, 1)
        with self._precision(ids):
            how = self.how
            logits = AnswerLogits(log_likelihood(model, ids, self.context, pad, how.temperature, how.sayable))
        kl = _over_processes((self._rollout - logits.log_probs).sum(1).mean())
        if kl > self.kl_cap:
            raise Stopped(f"update {self.update} was not learned from: KL {kl:.1f} is above the cap of {self.kl_cap}")
        return SimpleNamespace(logits=logits)

    def _precision(self, at: Tensor) -> torch.autocast:
        """That of training, where accelerate sees to it."""
        return torch.autocast(at.device.type, torch.bfloat16, enabled=self.bf16)

    def selective_log_softmax(self, logits: AnswerLogits, index: Tensor) -> Tensor:
        """[n, T] log-probabilities of the answers' tokens."""
        return logits.log_probs

    def permutation(self, n: int) -> np.ndarray:
        """The order in which a batch of n rows is learned from: answers to one prompt stay side by side, so that a
        mini-batch reads few prompts.
        """
        groups = np.random.permutation(n // self.group)  # noqa: NPY002 - the generator that TRL draws from
        return (groups[:, None] * self.group + np.arange(self.group)).ravel()


def _over_processes(value: Tensor) -> float:
    """The mean over all processes, so that they agree on what follows."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        value = value.clone()
        torch.distributed.all_reduce(value)
        value = value / torch.distributed.get_world_size()
    return float(value)


@contextmanager
def own_calls(calls: Calls) -> Iterator[None]:
    """Puts `calls` in the place of TRL's functions, and theirs back."""
    ours = {
        "batch_generation": calls.batch_generation,
        "forward": calls.forward,
        "selective_log_softmax": calls.selective_log_softmax,
        "PolicyAndValueWrapper": PolicyAndValue,
        # All that the loop asks of numpy.
        "np": SimpleNamespace(random=SimpleNamespace(permutation=calls.permutation)),
    }
    theirs = {name: getattr(ppo_trainer, name) for name in ours}
    try:
        for name, function in ours.items():
            setattr(ppo_trainer, name, function)
        yield
    finally:
        for name, function in theirs.items():
            setattr(ppo_trainer, name, function)
