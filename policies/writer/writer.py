"""The writer: a causal language model that continues a prompt (product and audience) with an ad line."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unicodedata import category

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from ...simulation.data.catalog import Catalog, Creative, Product
from ...simulation.data.errors import InputError
from .chat import AD, chat_ids, has_template, messages
from .limit import Limit, limit_of
from .loading import EOS, PAD, CausalLM, load_model
from .placeholders import filled, held, placeholders_of, to_template, unknown_placeholders
from .prompts import PROMPT_END, prompt
from .rollout import Sampling, sample
from .word_pairs import WordPairs

BUILT_IN = "built-in"


@dataclass(frozen=True)
class WriterConfig:
    """The built-in model's size, and how any model samples."""

    layers: int = 1
    width: int = 256
    heads: int = 4
    vocabulary: int = 3072
    max_new_tokens: int = 28
    temperature: float = 0.9
    top_p: float = 1.0
    request: str | None = None
    """What a model with a chat template is asked to write; by default a line of ad copy, and a headline of a story."""
    max_characters: int | None = None
    """Most characters of a text, those of double width counted twice: 30 for a headline of a search ad, 90 for its
    description. The writer never writes more; by default nothing limits it.
    """

    def __post_init__(self) -> None:
        if self.max_characters is not None and self.max_characters < 1:
            raise InputError(f"max_characters {self.max_characters}: must be above zero, or left out")


def one_line(text: str) -> str:
    """The text as an ad can show it: runs of white space are one space, control characters are gone.

    A byte-level writer can sample any of them, and a table that is read again must have a creative a row.
    """
    return " ".join("".join(char if char.isspace() or category(char) != "Cc" else "" for char in text).split())


class Writer:
    """A causal LM with its tokenizer. Pads on the left with a pad token that is not EOS."""

    def __init__(
        self,
        model: CausalLM,
        tokenizer: PreTrainedTokenizerBase,
        config: WriterConfig,
        *,
        pretrained: bool = True,
        word_pairs: WordPairs | None = None,
        request: str | None = None,
    ) -> None:
        """Keeps model and tokenizer, whether the model has read before, and what, if that is known; with a request, the
        model is asked in a chat.
        """
        self.model, self.tokenizer, self.config = model, tokenizer, config
        self.pretrained, self.word_pairs, self.request = pretrained, word_pairs, request

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn."""
        config, tokenizer = self.config, self.tokenizer
        eos: Any = tokenizer.eos_token_id
        pad: Any = tokenizer.pad_token_id
        sayable = self._sayable if self.has_placeholders else None
        return Sampling(config.max_new_tokens, config.temperature, eos, pad, config.top_p, self._limit, sayable)

    def _sayable(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """[k] placeholders, and [n, k] whether an answer to each of [n, P] prompts may have them: it holds them.

        What follows a prompt in its row says nothing of that.
        """
        names = placeholders_of(self.tokenizer)
        rows = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        values = [held(row.partition(PROMPT_END)[0] + PROMPT_END) for row in rows]
        may = [[name in row for name in names.values()] for row in values]
        return torch.tensor(list(names), device=ids.device), torch.tensor(may, device=ids.device)

    @cached_property
    def _limit(self) -> Limit | None:
        """What holds answers to the most characters."""
        most = self.config.max_characters
        rows = len(self.model.get_output_embeddings().weight)
        return None if most is None else limit_of(self.tokenizer, rows, most)

    def encode_prompts(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token ids and attention mask of prompts, [n, T] both, padded on the left.

        Raises:
            InputError: a prompt and its answer do not fit the model's context.
        """
        rows = {"input_ids": self.prompt_ids(prompts)}
        batch = self.tokenizer.pad(rows, return_tensors="pt", padding=True, padding_side="left")
        room = getattr(self.model.config, "max_position_embeddings", None) or 10**9
        if batch["input_ids"].shape[1] + self.config.max_new_tokens > room:
            other = ", or give --model built-in, whose words are the catalog's own" if self.has_placeholders else ""
            raise InputError(
                f"the longest prompt has {batch['input_ids'].shape[1]} tokens; with {self.config.max_new_tokens} new "
                f"ones it exceeds the model's context of {room}; shorten titles and attributes{other}"
            )
        return batch["input_ids"].to(self.device), batch["attention_mask"].to(self.device)

    def prompt_ids(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts, in the model's chat template if it has one."""
        if self.request is not None:
            return chat_ids(self.tokenizer, prompts, self.request)
        return self.tokenizer(list(prompts))["input_ids"]

    def asked(self, prompt: str) -> str | list[dict[str, str]]:
        """A prompt as pipelines and trainers take it: as it is, or as a chat."""
        return prompt if self.request is None else messages(prompt, self.request)

    @cached_property
    def has_placeholders(self) -> bool:
        """Whether it writes placeholders for what its prompt holds; see `placeholders.py`."""
        return bool(placeholders_of(self.tokenizer))

    def answer_ids(self, prompts: Sequence[str], texts: Sequence[str]) -> list[list[int]]:
        """Token ids of the answer to each prompt, their end included."""
        end: Any = self.tokenizer.eos_token_id
        if self.has_placeholders:
            texts = [to_template(text, prompt) for text, prompt in zip(texts, prompts, strict=True)]
        space = " " if self.request is None else ""
        read = self.tokenizer([f"{space}{text}" for text in texts], add_special_tokens=False)["input_ids"]
        return [[*ids, end] for ids in read]

    def decode(self, prompts: Sequence[str], ids: Tensor | list[list[int]]) -> list[str]:
        """Texts of [n, T] answers to n prompts, special tokens left out."""
        texts: list[str] = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        if self.has_placeholders:
            texts = [filled(text.strip(), prompt) for text, prompt in zip(texts, prompts, strict=True)]
        return [one_line(text) for text in texts]

    @torch.no_grad()
    def write(
        self,
        products: Sequence[Product],
        audiences: Sequence[str],
        n: int = 1,
        *,
        generator: torch.Generator,
        batch: int = 256,
        progress: Callable[[int], None] = lambda texts: None,
    ) -> list[Creative]:
        """Writes n creatives for every product and audience of the same position, those of one prompt together.

        Args:
            products: what to write for.
            audiences: for whom, one a product.
            n: creatives a prompt.
            generator: only its next seed is taken, so that sampling is the same whatever came before.
            batch: prompts sampled at once.
            progress: called with the number of texts after each batch.
        """
        asked = [(product, audience) for product, audience in zip(products, audiences, strict=True) for _ in range(n)]
        was_training, texts = self.model.training, []
        self.model.eval()
        seed = int(torch.randint(2**31, (1,), generator=generator))
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            for start in range(0, len(asked), batch):
                prompts = [prompt(*pair) for pair in asked[start : start + batch]]
                ids, mask = self.encode_prompts(prompts)
                texts += self.decode(prompts, sample(self.model, ids, mask, self.sampling).tokens)
                progress(len(prompts))
        self.model.train(was_training)
        return [Creative(product.product_id, text, whom) for (product, whom), text in zip(asked, texts, strict=True)]

    @torch.no_grad()
    def log_prob(self, creatives: Sequence[Creative], catalog: Catalog) -> Tensor:
        """[n] log-probability of each creative, end included, given its prompt, at temperature 1."""
        asked = [prompt(catalog[creative.product_id], creative.audience) for creative in creatives]
        self.model.eval()
        out = []
        for question, creative in zip(asked, creatives, strict=True):
            start = self.prompt_ids([question])[0]
            answer = self.answer_ids([question], [creative.text])[0]
            logits = self.model(torch.tensor([start + answer], device=self.device)).logits[0, len(start) - 1 : -1]
            chosen = torch.tensor(answer, device=self.device)[:, None]
            out.append(logits.log_softmax(-1).gather(1, chosen).sum())
        return torch.stack(out)

    def save(self, directory: str | Path) -> None:
        """Writes a Hugging Face directory that `transformers.pipeline` opens."""
        self.model.generation_config.update(
            do_sample=True,
            temperature=self.config.temperature,
            top_p=self.config.top_p,
            max_new_tokens=self.config.max_new_tokens,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
        )
        if self.config.max_characters is not None:  # no word of transformers': it says so to whom loads the writer here
            self.model.generation_config.max_characters = self.config.max_characters
        self.model.save_pretrained(directory, safe_serialization=True)
        self.tokenizer.save_pretrained(directory)
        if self.word_pairs is not None:
            self.word_pairs.save(Path(directory))

    def fingerprint(self) -> str:
        """A short hash of all weights: equal for equal writers."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]


def own_weights(writer: Writer) -> dict[str, Tensor]:
    """Copies of all different weights by name: those that are tied come once."""
    return {name: weight.detach().clone() for name, weight in writer.model.named_parameters()}


def load_weights(writer: Writer, weights: Mapping[str, Tensor]) -> None:
    """Puts `own_weights` back, in place."""
    with torch.no_grad():
        for name, weight in writer.model.named_parameters():
            weight.copy_(weights[name])


def make_writer(
    catalog: Catalog,
    config: WriterConfig,
    *,
    seed: int,
    model: str = BUILT_IN,
    device: torch.device | str = "cpu",
    request: str = AD,
) -> Writer:
    """Makes the built-in writer for a catalog, or loads a Hugging Face causal LM.

    Args:
        catalog: its words make the built-in writer's vocabulary.
        config: sizes and sampling.
        seed: of the built-in writer's first weights, or of the rows of tokens that a loaded model lacks.
        model: built-in, or any Hugging Face causal LM by name or path.
        device: where the model goes.
        request: what a model with a chat template is asked to write, if `config` does not say.

    Raises:
        InputError: the model cannot be loaded, see `load_model`; or it is asked in a chat that it has no template for.
    """
    if model != BUILT_IN:
        return load_writer(model, config, seed=seed, device=device, request=request)
    _refuse_request(model, config)
    corpus = [prompt(product) for product in catalog.products] + [f" {ad.text}" for ad in catalog.ads]
    tokenizer = train_tokenizer(corpus, config.vocabulary)
    return Writer(small_gpt2(config, tokenizer, seed).to(device), tokenizer, config, pretrained=False)


def load_writer(
    name: str,
    config: WriterConfig | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    request: str = AD,
) -> Writer:
    """A writer that has read before; see `make_writer`.

    Args:
        name: a directory, as `save_checkpoint` leaves it, or, with a `config`, what else `load_model` opens.
        config: how it samples; None as the checkpoint says.
        seed: of weights that it does not have.
        device: where it writes.
        request: what a model with a chat template is asked for.

    Raises:
        InputError: it cannot be loaded, or has placeholders of another version.
    """
    config = config or _kept_sampling(name)
    tokenizer, network = load_model(name, seed=seed)
    if unknown := unknown_placeholders(tokenizer):
        raise InputError(f"{name}: writes {unknown[0]}, which this version does not fill; tune or pretrain it anew")
    chat = has_template(tokenizer)
    if not chat:
        _refuse_request(name, config)
    asked = (config.request or request) if chat else None
    return Writer(network.to(device), tokenizer, config, word_pairs=WordPairs.load(Path(name)), request=asked)


def _kept_sampling(name: str) -> WriterConfig:
    try:
        # Not by GenerationConfig: it leaves out what is no word of its own where it was made from a model's settings.
        kept = json.loads((Path(name) / "generation_config.json").read_text(encoding="utf-8"))
        said = {key: kept.get(key) for key in ("temperature", "top_p", "max_new_tokens", "max_characters")}
        return WriterConfig(**{key: value for key, value in said.items() if value is not None})
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{name}: does not say how it samples ({reason}); give a config") from None


def _refuse_request(model: str, config: WriterConfig) -> None:
    if config.request is not None:
        raise InputError(f"--writer.request: {model} has no chat template to put a request in; leave it out")


def small_gpt2(config: WriterConfig, tokenizer: PreTrainedTokenizerBase, seed: int) -> CausalLM:
    """A GPT-2 of the sizes of `config` with first weights of `seed`, which has learned nothing."""
    ids: dict[str, Any] = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    shape = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=128,
        n_embd=config.width,
        n_layer=config.layers,
        n_head=config.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        # The same function as GPT-2's gelu_new, in one fused kernel: a step takes a fifth less time on a CPU.
        activation_function="gelu_pytorch_tanh",
        **ids,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPT2LMHeadModel(shape)


def train_tokenizer(corpus: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE on the words of a corpus: no text in any language is out of its vocabulary. Pieces that are said
    once are no tokens.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,  # what one line alone says is not written down in a vocabulary
        special_tokens=[PAD, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=PAD, eos_token=EOS, bos_token=EOS)
