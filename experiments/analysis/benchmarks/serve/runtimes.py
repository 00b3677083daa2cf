"""Who opens a writer, in a process of its own: nothing of Copybandit is imported beside what a form needs.

`python -m copybandit.experiments.analysis.benchmarks.serve.runtimes FORM DIRECTORY TO`, with a JSON of prompts on
standard input, leaves a JSON of texts and seconds in the file TO.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ..process import own_peak

BATCH = 64
"""Prompts answered at once, where a runtime does."""


class Runtime(Protocol):
    """An opened writer."""

    batched: bool
    """Whether it answers several prompts at once."""

    def write(self, prompts: list[str], temperature: float, seed: int) -> list[str]:
        """A text for each prompt, of at most so many tokens as the writer has; at temperature 0 greedily."""
        ...


class Transformers:
    """Hugging Face's `generate`."""

    batched = True

    def __init__(self, folder: Path, given: dict[str, Any]) -> None:
        """Opens it."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(given["threads"])
        self._torch, self._most = torch, given["most"]
        self._tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self._model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def write(self, prompts: list[str], temperature: float, seed: int) -> list[str]:
        """See the contract."""
        self._torch.manual_seed(seed)
        asked = self._tokenizer(prompts, return_tensors="pt", padding=True)
        how = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature else {}
        with self._torch.no_grad():
            out = self._model.generate(**asked, max_new_tokens=self._most, **(how or {"do_sample": False}))
        return self._tokenizer.batch_decode(out[:, asked["input_ids"].shape[1] :], skip_special_tokens=True)


class Copybandit:
    """Our own sampler, which reads a prompt once and says no placeholder that it does not hold."""

    batched = True

    def __init__(self, folder: Path, given: dict[str, Any]) -> None:
        """Opens it."""
        import torch

        from .....policies.writer.rollout import sample
        from .....policies.writer.writer import load_writer

        torch.set_num_threads(given["threads"])
        self._torch, self._sample, self._writer = torch, sample, load_writer(str(folder))

    def write(self, prompts: list[str], temperature: float, seed: int) -> list[str]:
        """See the contract; next to nothing of temperature is greedy."""
        from dataclasses import replace

        self._torch.manual_seed(seed)
        ids, mask = self._writer.encode_prompts(prompts)
        how = replace(self._writer.sampling, temperature=temperature or 1e-4)
        return self._writer.tokenizer.batch_decode(
            self._sample(self._writer.model.eval(), ids, mask, how).tokens, skip_special_tokens=True
        )


class OnnxRuntime:
    """A graph without a cache, in 32 bits or in 8; tokens by `tokenizers`, drawn by numpy."""

    batched = True

    def __init__(self, folder: Path, given: dict[str, Any]) -> None:
        """Opens it."""
        import onnxruntime  # pyright: ignore[reportMissingImports]
        from tokenizers import Tokenizer

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = given["threads"]
        path = str(folder / "model.onnx")
        self._session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._end, self._pad, self._most = given["end"], given["pad"], given["most"]

    def write(self, prompts: list[str], temperature: float, seed: int) -> list[str]:
        """See the contract."""
        import numpy as np

        rng = np.random.default_rng(seed)
        asked = [self._tokenizer.encode(prompt).ids for prompt in prompts]
        long = max(map(len, asked))
        ids = np.array([[self._pad] * (long - len(row)) + row for row in asked], np.int64)
        mask = np.array([[0] * (long - len(row)) + [1] * len(row) for row in asked], np.int64)
        ended = np.zeros(len(ids), bool)
        while ids.shape[1] < long + self._most and not ended.all():
            logits = self._session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0][:, -1]
            if temperature:
                logits = logits / temperature + rng.gumbel(size=logits.shape)
            token = np.where(ended, self._pad, logits.argmax(1))
            ended |= token == self._end
            ids = np.concatenate([ids, token[:, None]], 1)
            mask = np.concatenate([mask, np.ones_like(mask[:, :1])], 1)
        return self._tokenizer.decode_batch(ids[:, long:].tolist(), skip_special_tokens=True)


class LlamaCpp:
    """llama.cpp, by xllamacpp's server in the process; one prompt after the other."""

    batched = False

    def __init__(self, folder: Path, given: dict[str, Any]) -> None:
        """Opens it."""
        import xllamacpp  # pyright: ignore[reportMissingImports]

        settings = xllamacpp.CommonParams()
        settings.model.path = str(folder / "model.gguf")
        settings.n_parallel, settings.n_ctx = 1, given["context"]
        settings.n_gpu_layers, settings.warmup = 0, False
        settings.verbosity = -1
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = given["threads"]
        self._server, self._most = xllamacpp.Server(settings), given["most"]

    def write(self, prompts: list[str], temperature: float, seed: int) -> list[str]:
        """See the contract."""
        how = {"temperature": temperature, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "n_predict": self._most}
        texts = []
        for number, prompt in enumerate(prompts):
            found = self._server.handle_completions({"prompt": prompt, "seed": seed + number, **how})
            found = found if isinstance(found, dict) else json.loads(found)
            texts.append(found["choices"][0]["text"] if "choices" in found else found["content"])
        return texts


RUNTIMES: dict[str, Callable[[Path, dict[str, Any]], Runtime]] = {
    "transformers": Transformers,
    "copybandit": Copybandit,
    "onnx": OnnxRuntime,
    "int8": OnnxRuntime,
    "gguf": LlamaCpp,
}


def answered(form: str, folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Opens a writer, and has it write.

    Args:
        form: a name of `RUNTIMES`.
        folder: where it lies.
        given: `prompts`, `each` (texts a prompt that are drawn), `few` (prompts answered one at a time), `temperature`,
            `seed`, `most` tokens of a text, `threads`, `end` and `pad` tokens, `context`.

    Returns:
        `start` (seconds of this process up to its first text), `one` and `many` (texts a second), `greedy` (a text a
        prompt), `sampled` (those of a prompt together), `memory` (bytes, the most).
    """
    # On one thread the time that the process itself ran for: what else the machine does, does not count.
    clock = time.process_time if given["threads"] == 1 else time.perf_counter
    prompts, temperature, seed = given["prompts"], given["temperature"], given["seed"]
    runtime = RUNTIMES[form](folder, given)
    runtime.write(prompts[:1], temperature, seed)
    start = time.process_time()
    few = prompts[: given["few"]]
    begun = clock()
    for number, prompt in enumerate(few):
        runtime.write([prompt], temperature, seed + number)
    one = len(few) / (clock() - begun)
    size = BATCH if runtime.batched else 1
    asked = [prompt for prompt in prompts for _ in range(given["each"])]
    begun, sampled = clock(), []
    for first in range(0, len(asked), size):
        sampled += runtime.write(asked[first : first + size], temperature, seed + first)
    many = len(asked) / (clock() - begun)
    greedy = [runtime.write([prompt], 0.0, seed)[0] for prompt in prompts]
    found = {"start": start, "one": one, "many": many if runtime.batched else None}
    return found | {"greedy": greedy, "sampled": sampled, "memory": own_peak()}


if __name__ == "__main__":
    told = answered(sys.argv[1], Path(sys.argv[2]), json.load(sys.stdin))
    Path(sys.argv[3]).write_text(json.dumps(told), encoding="utf-8")
