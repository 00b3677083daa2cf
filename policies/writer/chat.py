"""The prompt of a model that was taught to chat: a request in the form of its own template."""

from collections.abc import Sequence
from typing import Any

from .placeholders import EMPTY

AD = "Write one short line of ad copy for this, true to what is given. Answer with the line alone."
HEADLINE = "Write one headline for this story. Answer with the headline alone."
FIELDS = ("About", "Brand", "Details", "For")
"""What the parts of a prompt are called."""


def has_template(tokenizer: Any) -> bool:
    """Whether the model expects a chat."""
    return bool(getattr(tokenizer, "chat_template", None))


def messages(prompt: str, request: str) -> list[dict[str, str]]:
    """A prompt as the chat that asks for its answer."""
    parts = prompt.removesuffix(" =>").split(" | ")
    lines = [f"{name}: {part}" for name, part in zip(FIELDS, parts, strict=True) if part != EMPTY]
    return [{"role": "user", "content": "\n".join([request, "", *lines])}]


NO_THINKING = {"enable_thinking": False}
"""Models that can think aloud do not."""


def chat_ids(tokenizer: Any, prompts: Sequence[str], request: str) -> list[list[int]]:
    """Token ids of each prompt up to where the model begins its answer."""
    chats = [messages(prompt, request) for prompt in prompts]
    texts = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True, **NO_THINKING)
    return tokenizer(texts, add_special_tokens=False)["input_ids"]
