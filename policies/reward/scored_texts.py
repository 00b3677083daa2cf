"""What a reward has scored: counted, for comparisons at equal cost, and kept, as every such text may be the best."""

import json
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...simulation.data.catalog import Creative, Product
from ..writer.placeholders import to_template
from ..writer.prompts import prompt
from .diversity import vendi
from .reward import Reward, Rewards
from .select import Choice, choose


class ScoredTexts:
    """A reward that remembers the texts that it was asked about."""

    def __init__(self, reward: Reward, asked: Sequence[tuple[Product, str]], keep_diversity: float = 1.0) -> None:
        """Begins with none.

        Args:
            reward: scores.
            asked: products and audiences, which the numbers of prompts refer to.
            keep_diversity: share of the untuned writer's Vendi score that the best have together.
        """
        self.reward, self._asked, self._keep_diversity = reward, asked, keep_diversity
        self.texts: list[Creative] = []
        """All that was scored."""
        self._scored: dict[str, list[Tensor]] = {"group": [], "quality": [], "failures": [], "refused": []}

    def __call__(self, creatives: Sequence[Creative], group: Tensor) -> Rewards:
        """As the reward scores them; all of them are remembered."""
        rewards = self.reward(creatives, group)
        self.texts += creatives
        self._scored["group"].append(group.cpu())
        self._scored["quality"].append((rewards.total - rewards.weighted["diversity"]).cpu())
        for name in ("failures", "refused"):
            self._scored[name].append(rewards.raw[name].cpu())
        return rewards

    def __len__(self) -> int:
        """How many texts were scored."""
        return len(self.texts)

    @property
    def group(self) -> Tensor:
        """[n] the prompt that each text answers."""
        return torch.cat(self._scored["group"])

    @property
    def quality(self) -> Tensor:
        """[n] the reward of each text without its word on diversity."""
        return torch.cat(self._scored["quality"])

    @property
    def failures(self) -> Tensor:
        """[n] checks that each text fails."""
        return torch.cat(self._scored["failures"])

    @property
    def refused(self) -> Tensor:
        """[n] 1 where a rule refuses a text."""
        return torch.cat(self._scored["refused"])

    @property
    def pattern(self) -> Tensor:
        """[n] the same number for texts that are alike but for what their prompts hold."""
        number: dict[str, int] = {}
        asked = (prompt(*self._asked[i]) for i in self.group.tolist())
        masked = (to_template(creative.text, question) for creative, question in zip(self.texts, asked, strict=True))
        return torch.tensor([number.setdefault(text.lower(), len(number)) for text in masked], dtype=torch.int64)

    def best(self, kept: int, untuned: Sequence[Creative]) -> Choice:
        """The best `kept` texts of each prompt, together as diverse as is to be kept.

        Args:
            kept: texts a prompt; as many were scored, or more.
            untuned: as many texts of the untuned writer.
        """
        return choose(self, kept, self._keep_diversity * vendi(self.encode(untuned)))

    def encode(self, creatives: Sequence[Creative]) -> Tensor:
        """The reward's."""
        return self.reward.encode(creatives)

    def fingerprint(self) -> str:
        """The reward's."""
        return self.reward.fingerprint()

    def state(self) -> dict[str, Tensor]:
        """All of them, as a saved state holds them."""
        if not self.texts:
            return {}
        words = json.dumps([creative.text for creative in self.texts]).encode()
        texts = torch.frombuffer(bytearray(words), dtype=torch.uint8)
        return {"texts": texts} | {name: torch.cat(parts) for name, parts in self._scored.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Puts back what `state` gave."""
        texts = json.loads(state["texts"].numpy().tobytes()) if state else []
        self._scored = {name: [state[name]] if state else [] for name in self._scored}
        pairs = [self._asked[i] for i in (self.group.tolist() if state else [])]
        self.texts = [Creative(p.product_id, text, who) for (p, who), text in zip(pairs, texts, strict=True)]
