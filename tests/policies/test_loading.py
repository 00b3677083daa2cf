"""Models as people bring them: tiny ones, made here."""

import pytest
import torch
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.reward.reward import Rewards
from copybandit.policies.tuning.ppo import Ppo, PpoConfig
from copybandit.policies.writer.loading import load_model
from copybandit.policies.writer.prompts import prompt
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.errors import InputError
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertLMHeadModel,
    BertTokenizerFast,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

CONFIG = WriterConfig(max_new_tokens=6)
LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
}


def bpe(texts, special, post=None):
    """A byte-level tokenizer; the special tokens come first."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        texts,
        trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=letters, show_progress=False),
    )
    if post:
        pairs = [(token, made.token_to_id(token)) for token in special]
        made.post_processor = processors.TemplateProcessing(single=post, special_tokens=pairs)
    return made


def llama(size, **special):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(vocab_size=size, **special, **LLAMA))


def gpt2(size, **special):
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(vocab_size=size, n_positions=96, n_embd=32, n_layer=1, n_head=2, **special))


@pytest.fixture
def words(tiny_catalog):
    return [ad.text for ad in tiny_catalog.ads] + [prompt(product) for product in tiny_catalog.products]


@pytest.fixture
def bring(words, tmp_path):
    """Saves a model of a kind, and says where."""

    def plain(special, post=None, **named):
        return PreTrainedTokenizerFast(tokenizer_object=bpe(words, special, post), **named)

    def bert_tokenizer():
        letters = sorted({letter for text in words for letter in text.lower() if letter != " "})
        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
        (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
        return BertTokenizerFast(str(tmp_path / "vocab.txt"))

    def no_pad():
        tokenizer = plain(["<e>"], eos_token="<e>", bos_token="<e>")
        return tokenizer, gpt2(len(tokenizer), eos_token_id=0, bos_token_id=0)

    def pad_is_end():
        tokenizer = plain(["<e>"], eos_token="<e>", pad_token="<e>")
        return tokenizer, gpt2(len(tokenizer), eos_token_id=0, bos_token_id=0)

    def no_end():
        tokenizer = plain(["<s>"], bos_token="<s>")
        return tokenizer, gpt2(len(tokenizer), bos_token_id=0)

    def end_in_config():
        tokenizer = plain(["<s>", "</s>"], bos_token="<s>")
        return tokenizer, llama(len(tokenizer), bos_token_id=0, eos_token_id=[1, 0])

    def bert_reads():
        tokenizer = bert_tokenizer()
        return tokenizer, gpt2(len(tokenizer))

    def adds_end():
        tokenizer = plain(["<pad>", "</s>"], "$A </s>", pad_token="<pad>", eos_token="</s>")
        return tokenizer, llama(len(tokenizer), bos_token_id=1, eos_token_id=1, pad_token_id=0)

    def adds_begin():
        tokenizer = plain(["<s>", "</s>"], "<s> $A", bos_token="<s>", eos_token="</s>")
        return tokenizer, llama(len(tokenizer), bos_token_id=0, eos_token_id=1).to(torch.bfloat16)

    def padded_vocabulary():
        tokenizer = plain(["<e>"], eos_token="<e>")
        return tokenizer, llama(len(tokenizer) + 64, eos_token_id=0)

    def added_token():
        tokenizer = plain(["<e>"], eos_token="<e>")
        model = gpt2(len(tokenizer), eos_token_id=0, bos_token_id=0)
        tokenizer.add_special_tokens({"pad_token": "[PAD]"})
        return tokenizer, model

    kinds = dict(locals())

    def made(kind):
        tokenizer, model = kinds[kind]() if isinstance(kind, str) else kind(plain, bert_tokenizer)
        model.save_pretrained(tmp_path / "model")
        tokenizer.save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    return made


@pytest.mark.parametrize(
    ("kind", "end", "pad", "begins"),
    [
        ("no_pad", "<e>", "<|pad|>", []),
        ("pad_is_end", "<e>", "<|pad|>", []),
        ("no_end", "<|endoftext|>", "<|pad|>", []),
        ("end_in_config", "</s>", "<|pad|>", []),
        ("bert_reads", "[SEP]", "[PAD]", ["[CLS]"]),
        ("adds_end", "</s>", "<pad>", []),
        ("adds_begin", "</s>", "<|pad|>", ["<s>"]),
        ("padded_vocabulary", "<e>", "<|pad|>", []),
        ("added_token", "<e>", "[PAD]", []),
    ],
)
def test_what_is_brought_writes_learns_and_is_tuned(bring, kind, end, pad, begins, tiny_catalog, tmp_path):
    where = bring(kind)
    writer = make_writer(tiny_catalog, CONFIG, seed=0, model=str(where))
    tokenizer = writer.tokenizer
    assert (tokenizer.eos_token, tokenizer.pad_token) == (end, pad)
    assert writer.model.dtype == torch.float32
    rows = len(writer.model.get_input_embeddings().weight)
    assert rows == max(len(tokenizer), 64 + 300 if kind == "padded_vocabulary" else 0)
    ids = tokenizer("Sturdy steel")["input_ids"]
    assert ids[: len(begins)] == tokenizer.convert_tokens_to_ids(begins)
    assert tokenizer.eos_token_id not in ids[len(begins) :]
    assert writer.answer_ids(["knife =>"], ["Sturdy steel"])[0][-1] == tokenizer.eos_token_id
    assert writer.answer_ids(["knife =>"], ["Sturdy steel"])[0].count(tokenizer.eos_token_id) == 1

    before = float(writer.log_prob(tiny_catalog.ads, tiny_catalog).mean())
    warm_start(writer, tiny_catalog, [], WarmStartConfig(lines=64, batch=8, learning_rate=3e-3), seed=0)
    assert float(writer.log_prob(tiny_catalog.ads, tiny_catalog).mean()) > before

    seen = []

    def reward(creatives, group):
        seen.append((creatives, group))
        total = torch.tensor([float(len(creative.text)) for creative in creatives])
        return Rewards(total, {}, {})

    asked = [(product, "savers") for product in tiny_catalog.products]
    weights = writer.model.get_input_embeddings().weight.detach().clone()
    Ppo(PpoConfig(updates=1, batch=8, group=2, mini_batches=1)).tune(writer, asked, reward, seed=0)
    assert not torch.equal(writer.model.get_input_embeddings().weight, weights)
    ((creatives, group),) = seen
    assert [creative.product_id for creative in creatives] == [asked[i][0].product_id for i in group.tolist()]

    writer.save(tmp_path / "saved")
    again = make_writer(tiny_catalog, CONFIG, seed=5, model=str(tmp_path / "saved"))
    assert again.fingerprint() == writer.fingerprint()
    assert AutoTokenizer.from_pretrained(tmp_path / "saved")("Sturdy steel")["input_ids"] == ids


def test_new_rows_come_from_the_seed(bring):
    where = str(bring("no_pad"))
    weights = []
    for noise, seed in ((1, 0), (2, 0), (3, 1)):
        torch.manual_seed(noise)
        state = torch.get_rng_state()
        weights.append(load_model(where, seed=seed)[1].get_input_embeddings().weight.detach())
        assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0][:-1], weights[2][:-1])
    assert not torch.equal(weights[0][-1], weights[2][-1])


def bert(plain, bert_tokenizer, kind=BertForMaskedLM):
    tokenizer = bert_tokenizer()
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    return tokenizer, kind(BertConfig(vocab_size=len(tokenizer), **shape))


def t5(plain, bert_tokenizer):
    tokenizer = plain(["<pad>", "</s>"], eos_token="</s>", pad_token="<pad>")
    shape = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 0}
    return tokenizer, T5ForConditionalGeneration(T5Config(vocab_size=len(tokenizer), **shape))


def headless(plain, bert_tokenizer):
    tokenizer = plain(["<e>"], eos_token="<e>")
    return tokenizer, LlamaModel(LlamaConfig(vocab_size=len(tokenizer), eos_token_id=0, **LLAMA))


def foreign(plain, bert_tokenizer):
    return plain(["<e>"], eos_token="<e>"), gpt2(200, eos_token_id=0, bos_token_id=0)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (bert, "BertForMaskedLM fills gaps"),
        (lambda *given: bert(*given, kind=BertLMHeadModel), "bidirectional"),
        (t5, "t5 is an encoder with a decoder"),
        (headless, r"its files lack lm_head\.weight"),
        (foreign, "the tokenizer has 300 tokens and the model knows 200"),
    ],
)
def test_what_is_no_causal_language_model_is_refused(bring, kind, told, tiny_catalog):
    with pytest.raises(InputError, match=told) as error:
        make_writer(tiny_catalog, CONFIG, seed=0, model=str(bring(kind)))
    assert "\n" not in str(error.value)


def test_pickled_weights_are_refused(bring, tiny_catalog):
    where = bring("no_pad")
    torch.save(gpt2(300).state_dict(), where / "pytorch_model.bin")
    (where / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"pickled \(pytorch_model\.bin\).*save it again"):
        make_writer(tiny_catalog, CONFIG, seed=0, model=str(where))


@pytest.mark.parametrize(
    ("name", "share"),
    [("model.safetensors", 0), ("model.safetensors", 0.5), ("config.json", 0.5), ("tokenizer.json", 0.5)],
)
def test_a_torn_model_of_anyone(bring, name, share, tiny_catalog):
    path = bring("no_pad") / name
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match="cannot be loaded") as error:
        make_writer(tiny_catalog, CONFIG, seed=0, model=str(path.parent))
    assert "\n" not in str(error.value)


def test_a_trunk_whose_head_is_tied_is_whole(tiny_catalog, words, tmp_path):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe(words, ["<e>"]), eos_token="<e>")
    GPT2Model(gpt2(len(tokenizer)).config).save_pretrained(tmp_path / "trunk")
    tokenizer.save_pretrained(tmp_path / "trunk")
    assert make_writer(tiny_catalog, CONFIG, seed=0, model=str(tmp_path / "trunk")).tokenizer.eos_token == "<e>"


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
def test_what_is_stored_in_16_bits_is_trained_in_32(bring, stored, tiny_catalog, tmp_path):
    """Steps of one per mille of a norm's weight of 1 are lost in bfloat16, whose next number is 1.0078."""
    where = bring("adds_begin")
    wide = LlamaForCausalLM.from_pretrained(where, dtype=stored)
    moved = []
    for dtype in (stored, torch.float32):
        wide.to(dtype).save_pretrained(where)
        writer = make_writer(tiny_catalog, CONFIG, seed=0, model=str(where))
        assert {p.dtype for p in writer.model.parameters()} == {torch.float32}
        before = {name: p.detach().clone() for name, p in writer.model.named_parameters()}
        warm_start(writer, tiny_catalog, [], WarmStartConfig(lines=64, batch=8, learning_rate=5e-5), seed=0)
        moved.append({name: p.detach() - before[name] for name, p in writer.model.named_parameters()})
    assert all(torch.equal(moved[0][name], step) for name, step in moved[1].items())
    assert all((step != 0).float().mean() > 0.9 for name, step in moved[0].items() if "norm" in name)
    writer.save(tmp_path / "saved")
    assert (
        make_writer(tiny_catalog, CONFIG, seed=0, model=str(tmp_path / "saved")).fingerprint() == writer.fingerprint()
    )


def test_gguf_files_that_cannot_be_read(tiny_catalog, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such file"):
        make_writer(tiny_catalog, CONFIG, seed=0, model=str(tmp_path / "m.gguf"))
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="install the extra `gguf`"):
        make_writer(tiny_catalog, CONFIG, seed=0, model=str(tmp_path / "m.gguf"))
