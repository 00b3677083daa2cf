"""Any causal language model that people bring: what it lacks is taken from what there is, or it is refused at once.

A model is fit to be a writer when it has an end and a padding token that are not the same, rows for every token of its
tokenizer, weights of float32 (small steps are lost in 16 bits: what is stored in 16 is trained in 32), and when a token
sees those before it alone.
"""

import copy
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from ...simulation.data.errors import InputError
from ...simulation.data.files import MANIFEST, check_folder
from .rollout import Sampling, sample

MOST_SETTINGS = 2**28
"""Bytes of a file of settings, or of a vocabulary, which is held in memory several times over."""
PAD, EOS = "<|pad|>", "<|endoftext|>"
_SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id")
GIVE = "give the name or directory of a Hugging Face causal language model"

CausalLM: TypeAlias = Any
"""A Hugging Face model that generates; transformers has no one type for these (`generate` comes from a mixin)."""


def load_model(name: str, *, seed: int) -> tuple[PreTrainedTokenizerBase, CausalLM]:
    """Tokenizer and model, on the CPU, in float32.

    Args:
        name: of a Hugging Face model, a directory, or a GGUF file (with the `gguf` extra), whose weights are unpacked.
        seed: of the rows of tokens that the model does not know yet.

    Raises:
        InputError: it is not there, torn, altered, pickled, quantized, no causal language model, or has another's
            tokenizer.
    """
    _refuse_files(name)
    with _in_one_line(name):
        return _loaded(name, seed)


def _loaded(name: str, seed: int) -> tuple[PreTrainedTokenizerBase, CausalLM]:
    config, tokenizer = _opened(name, AutoConfig), _opened(name, AutoTokenizer)
    _refuse_kind(name, config)
    _refuse_sizes(name, config)
    model, told = _opened(
        name, AutoModelForCausalLM, dtype=torch.float32, use_safetensors=True, output_loading_info=True
    )
    model = _unpacked(name, model)
    if told["missing_keys"]:
        lacking = ", ".join(sorted(told["missing_keys"])[:3])
        raise InputError(f"--model {name}: its files lack {lacking}; {GIVE} that was saved with its output layer")
    rows = len(model.get_input_embeddings().weight)
    if tokenizer.vocab_size > rows:
        raise InputError(
            f"--model {name}: the tokenizer has {tokenizer.vocab_size:,} tokens and the model knows {rows:,}; put the "
            "tokenizer beside it that it was trained with"
        )
    _give_special_tokens(tokenizer, config, model)
    tokenizer = _without_end(name, tokenizer)
    _give_rows(tokenizer, model, seed)
    _refuse_what_cannot_write(name, model, tokenizer)
    return tokenizer, model


def _opened(name: str, kind: Any, **options: Any) -> Any:
    where, file = name, Path(name)
    if _is_gguf(name):
        where, options = str(file.parent), options | {"gguf_file": file.name}
    return kind.from_pretrained(where, trust_remote_code=False, **options)


@contextmanager
def _in_one_line(name: str) -> Iterator[None]:
    """Whatever libraries meet in a directory that is no model, or one that somebody altered."""
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        # What the tokenizers' library panics at is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        reason = "".join(letter if letter.isprintable() else "?" for letter in reason[:300])
        raise InputError(f"--model {name}: cannot be loaded ({reason}); {GIVE}") from None


def _is_gguf(name: str) -> bool:
    return Path(name).suffix == ".gguf"


def _unpacked(name: str, model: CausalLM) -> CausalLM:
    """Of a GGUF file transformers keeps the settings by which it was quantized, though its weights are plain now: with
    them it would be taken for one that cannot be trained or saved.
    """
    if not hasattr(model.config, "quantization_config"):
        return model
    config = copy.deepcopy(model.config)
    del config.quantization_config
    plain = type(model)(config)
    plain.load_state_dict(model.state_dict())
    return plain


def _refuse_files(name: str) -> None:
    """Our own checkpoints are compared with their manifest; pickled weights are not opened."""
    if _is_gguf(name):
        if not Path(name).is_file():
            raise InputError(f"--model {name}: no such file; {GIVE}, or a GGUF file")
        if importlib.util.find_spec("gguf") is None:
            raise InputError(f"--model {name}: to read GGUF files, install the extra `gguf`")
        return
    folder = Path(name)
    if (folder / MANIFEST).is_file():
        check_folder(folder, f"take it anew from its run; if the change is yours, delete {MANIFEST}")
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        if path.is_file() and path.stat().st_size > MOST_SETTINGS:
            raise InputError(
                f"--model {name}: {path.name} has {path.stat().st_size:,} bytes, at most {MOST_SETTINGS:,} are read; "
                f"{GIVE}"
            )
    pickled = sorted(folder.glob("pytorch_model*.bin")) if folder.is_dir() else []
    if pickled and not any(folder.glob("*.safetensors")):
        raise InputError(
            f"--model {name}: its weights are pickled ({pickled[0].name}), and a pickle can run code; where you trust "
            "it, load it with transformers and save it again (save_pretrained writes safetensors)"
        )


def _refuse_kind(name: str, config: Any) -> None:
    """By its configuration, before any weights are read."""
    kind = config.model_type
    if config.is_encoder_decoder:
        raise InputError(f"--model {name}: {kind} is an encoder with a decoder, which does not continue a text; {GIVE}")
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise InputError(f"--model {name}: {kind} is no causal language model; {GIVE}")
    named = config.architectures or []
    if any("MaskedLM" in architecture for architecture in named):
        raise InputError(f"--model {name}: {named[0]} fills gaps, its tokens see what comes after them; {GIVE}")
    if getattr(config, "quantization_config", None) is not None:
        raise InputError(
            f"--model {name}: its weights are quantized and cannot be trained; give what they were made of"
        )


def _refuse_sizes(name: str, config: Any) -> None:
    """What a configuration would have built has to fit the weights that are there: layers are built before they are
    read, and a number is soon written.
    """
    weights = [path.stat().st_size for path in Path(name).glob("*.safetensors") if path.is_file()]
    wide, deep, words = (getattr(config, size, None) for size in ("hidden_size", "num_hidden_layers", "vocab_size"))
    sizes = [size for size in (wide, deep, words) if isinstance(size, int)]
    if not weights or len(sizes) < 3:
        return
    wide, deep, words = sizes
    # A tenth: tables may be factored, and layers shared.
    if min(sizes) < 1 or 0.1 * max(wide * words, deep * wide**2) > max(sum(weights), 2**24):
        raise InputError(
            f"--model {name}: config.json says {deep:,} layers of width {wide:,} for {words:,} tokens, which "
            f"{sum(weights):,} bytes of weights cannot be; {GIVE}"
        )


def _give_special_tokens(tokenizer: PreTrainedTokenizerBase, config: Any, model: CausalLM) -> None:
    """An end from what there is (the settings of generation and model, a separator) or a new one; a pad of its own."""
    if tokenizer.eos_token_id is None:
        tokenizer.add_special_tokens({"eos_token": _end_token(tokenizer, config, model)})
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.add_special_tokens({"pad_token": PAD})


def _end_token(tokenizer: PreTrainedTokenizerBase, config: Any, model: CausalLM) -> str:
    """The text of the token that ends an answer; settings that name no token of the tokenizer are passed over."""
    for settings in (model.generation_config, config):
        named: Any = getattr(settings, "eos_token_id", None)
        for number in named if isinstance(named, list) else [named]:
            if number is not None and 0 <= number < len(tokenizer) and number != tokenizer.pad_token_id:
                return str(tokenizer.convert_ids_to_tokens(number))
    return str(tokenizer.sep_token or EOS)


def _without_end(name: str, tokenizer: Any) -> PreTrainedTokenizerBase:
    """Some tokenizers end every text that they read: a prompt would be over before its answer. They leave it off now,
    and so does the tokenizer that is saved.
    """
    read, plain = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    if read[len(read) - len(plain) :] == plain:
        return tokenizer
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise InputError(f"--model {name}: its tokenizer ends every text it reads, prompts too; give one that does not")
    before = read[: next(i for i in range(len(read)) if read[i : i + len(plain)] == plain)]
    begin = [(tokenizer.convert_ids_to_tokens(number), number) for number in before]
    shape = " ".join([*(f"{token}:0" for token, _ in begin), "$A:0"])
    reader = tokenizer.backend_tokenizer
    reader.post_processor = TemplateProcessing(single=shape, pair=f"{shape} $B:1", special_tokens=begin)
    # Classes made for one model put their own ending back when they are loaded; the general one does not.
    return PreTrainedTokenizerFast(
        tokenizer_object=reader, model_max_length=tokenizer.model_max_length, **tokenizer.special_tokens_map
    )


def _give_rows(tokenizer: PreTrainedTokenizerBase, model: CausalLM, seed: int) -> None:
    """Rows for tokens that the model does not know; a vocabulary that is padded beyond the tokenizer stays."""
    if len(tokenizer) > len(model.get_input_embeddings().weight):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.config.update({name: getattr(tokenizer, name) for name in _SPECIAL})


@torch.no_grad()
def _refuse_what_cannot_write(name: str, model: CausalLM, tokenizer: Any) -> None:
    """By trying it on three tokens: whether the first one is blind to what follows, and whether it can be sampled."""
    model.eval()
    end: int = tokenizer.eos_token_id
    ids, other = torch.tensor([[0, 1, 2]]), torch.tensor([[0, 2, 1]])
    try:
        seen = {"attention_mask": torch.ones_like(ids), "use_cache": False}
        first, second = (model(input_ids=x, **seen).logits[0].float() for x in (ids, other))
        how = Sampling(2, 1.0, end, tokenizer.pad_token_id)
        with torch.random.fork_rng(devices=[]):
            sample(model, ids, torch.ones_like(ids), how)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, KeyError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"--model {name}: cannot be sampled here ({reason[:200]}); {GIVE}, such as a GPT-2") from None
    moved = (first - second).abs().amax(1)
    if moved[0] > 1e-5 * moved.max():
        raise InputError(f"--model {name}: its tokens see what comes after them (bidirectional); {GIVE}")
