"""A checkpoint as one GGUF file for llama.cpp and what is built on it: settings, vocabulary and weights of a GPT-2."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from ...simulation.data.errors import InputError
from .exported import write_export
from .loading import CausalLM

NAME = "model.gguf"
EXTRA = "gguf"
PRE_TOKENIZER = "gpt-2"
"""llama.cpp's name for byte-level BPE that splits as GPT-2 does."""
_LAYER = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_REST = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"}

_USE = """`model.gguf` is read by llama.cpp and what is built on it, such as llama-cpp-python, xllamacpp or Ollama:

```python
from llama_cpp import Llama

write = Llama("THIS_DIRECTORY/model.gguf", n_ctx=0)
how = {"temperature": TEMPERATURE, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "max_tokens": 28}
print(write("A PROMPT =>", **how)["choices"][0]["text"])
```
"""


def export_gguf(checkpoint: Path, to: Path) -> None:
    """Writes `model.gguf` (matrices in 16 bits), the settings and a model card: all of it, or nothing.

    Args:
        checkpoint: of a run.
        to: directory that is made.

    Raises:
        InputError: the extra `gguf` is not installed, the checkpoint is torn, or it is no GPT-2.
    """
    if find_spec("gguf") is None:
        raise InputError(f"--format gguf: gguf not installed; pip install 'copybandit[{EXTRA}]'")
    write_export(checkpoint, to, write_gguf, _USE, library="gguf")


def write_gguf(model: CausalLM, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Writes the file into a folder."""
    import gguf  # an extra  # pyright: ignore[reportMissingImports]

    kind = model.config.model_type
    if kind != "gpt2":
        raise InputError(
            f"--format gguf: {kind} is not written here; convert the directory that --format huggingface leaves with "
            "llama.cpp's convert_hf_to_gguf.py"
        )
    writer = gguf.GGUFWriter(folder / NAME, "gpt2")
    _add_settings(writer, model.config, gguf.LlamaFileType.MOSTLY_F16)
    _add_vocabulary(writer, tokenizer, model.config.vocab_size, gguf.TokenType)
    for name, weight in model.state_dict().items():
        if (told := _told_name(name)) is not None:
            turned = weight.detach().numpy().T if ".c_" in name and weight.dim() > 1 else weight.detach().numpy()
            narrow = weight.dim() > 1 and "wpe" not in name
            writer.add_tensor(told, np.ascontiguousarray(turned, np.float16 if narrow else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _told_name(name: str) -> str | None:
    """A weight's name in GGUF; None for the output layer, which is the embeddings, and for masks."""
    body, _, part = name.removeprefix("transformer.").rpartition(".")
    if body in _REST:
        return f"{_REST[body]}.{part}"
    if not body.startswith("h."):
        return None
    _, number, place = body.split(".", 2)
    return f"blk.{number}.{_LAYER[place]}.{part}" if place in _LAYER else None


def _add_settings(writer: Any, config: Any, file_type: int) -> None:
    writer.add_file_type(file_type)
    writer.add_block_count(config.n_layer)
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(config.n_inner or 4 * config.n_embd)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)


def _add_vocabulary(writer: Any, tokenizer: Any, rows: int, kinds: Any) -> None:
    """Tokens in order of their ids; those that a padded vocabulary has beyond the tokenizer are never said."""
    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    words = {number: text for text, number in tokenizer.get_vocab().items()}
    added = {token["id"]: token["special"] for token in backend["added_tokens"]}
    tokens = [words.get(i, f"[PAD{i}]") for i in range(rows)]
    kind = [
        (kinds.CONTROL if added[i] else kinds.USER_DEFINED)
        if i in added
        else kinds.NORMAL
        if i in words
        else kinds.UNUSED
        for i in range(rows)
    ]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in backend["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(tokens)
    writer.add_token_types(kind)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
