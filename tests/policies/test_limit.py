"""A limit of characters that every text keeps, and no text is cut for."""

import pytest
import torch
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.reward.reward import CHECKS, Quality
from copybandit.policies.writer.limit import Limit, limit_of
from copybandit.policies.writer.rollout import Sampling, draw, sample
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.catalog import Catalog, Creative
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.text.characters import characters
from transformers import GPT2Config, GPT2LMHeadModel

SMALL = WriterConfig(layers=1, width=64, heads=2, vocabulary=400, max_new_tokens=28)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Buy now", 7),
        ("Größe", 5),
        ("Gro\u0308ße", 5),  # o and a diaeresis of its own are one letter
        ("铜锅", 4),
        ("ＡＢ", 4),
        ("ｱｲ", 2),
        ("한국", 4),
        ("👍 ok", 5),
        ("5 €", 3),
    ],
)
def test_characters_as_platforms_count_them(text, count):
    assert characters(text) == count


def short(catalog, most):
    """The catalog with ads of `most` characters at most, a third of them, cut at words."""
    ads = []
    for ad in catalog.ads:
        words, text = ad.text.split(), ""
        while words and len(f"{text} {words[0]}".strip()) <= most:
            text = f"{text} {words.pop(0)}".strip()
        ads.append(Creative(ad.product_id, text))
    return Catalog(catalog.products, ads, catalog.phrases, catalog.queries)


def texts_of(writer, catalog, n, seed=0):
    audiences = ["savers"] * len(catalog.products)
    written = writer.write(catalog.products, audiences, n, generator=torch.Generator().manual_seed(seed))
    return [creative.text for creative in written]


def limited(most):
    return WriterConfig(layers=1, width=64, heads=2, vocabulary=400, max_new_tokens=28, max_characters=most)


@pytest.mark.parametrize("most", [3, 17, 30])
def test_an_untrained_writer_keeps_it_too(tiny_catalog, most):
    writer = make_writer(tiny_catalog, limited(most), seed=0)
    texts = texts_of(writer, tiny_catalog, 8)
    assert max(map(characters, texts)) <= most
    assert min(map(characters, texts)) < max(map(characters, texts))


@pytest.mark.parametrize(
    "text", ["纯铜锅，三年保修，送货上门，欢迎选购", "한국어 광고 문구를 씁니다 지금", "👍🏽🎉👍🏽🎉👍🏽🎉👍🏽🎉"]
)
def test_any_language_keeps_it(tiny_catalog, text):
    catalog = Catalog(tiny_catalog.products, [Creative(p.product_id, text) for p in tiny_catalog.products])
    writer = make_writer(catalog, limited(11), seed=0)
    texts = texts_of(writer, catalog, 16)
    assert max(map(characters, texts)) <= 11


def test_widths_are_never_less_than_what_is_said(tiny_catalog):
    writer = make_writer(tiny_catalog, SMALL, seed=0)
    limit = limit_of(writer.tokenizer, 500, 30)
    assert limit.later[len(writer.tokenizer) :].eq(31).all()
    assert int(limit.later[writer.tokenizer.eos_token_id]) == 0
    for text in (" Größe für 5 €", " 纯铜锅，三年保修。", " نص عربي", " 👍🏽 ok", " Handmade steel"):
        ids = writer.tokenizer(text)["input_ids"]
        width = int(limit.first[ids[0]] + limit.later[torch.tensor(ids[1:])].sum())
        assert width >= characters(text.strip())
    ids = writer.tokenizer(" Handmade steel")["input_ids"]
    assert int(limit.first[ids[0]] + limit.later[torch.tensor(ids[1:])].sum()) == len("Handmade steel")


def test_what_does_not_fit_is_not_drawn_and_probabilities_stay_the_models():
    logits = torch.log(torch.tensor([[0.2, 0.5, 0.3]])).expand(3, -1)
    fits = torch.tensor([[True, False, True]]).expand(3, -1)
    token, log_prob = draw(logits, torch.tensor([0.0, 0.39, 0.41]), Sampling(1, 1.0, 1, 0), fits)
    assert token.tolist() == [0, 0, 2]  # 0.2 and 0.3 of what is left: 40% and 60%
    assert torch.allclose(log_prob.exp(), torch.tensor([0.2, 0.2, 0.3]))


PAD, EOS, WORD = 0, 1, 2


class Chain(GPT2LMHeadModel):
    """Says what a table of the last token's successors says; positions and the past do not matter."""

    def tell(self, table):
        self.table = torch.tensor(table).log()
        return self.eval()

    def forward(self, input_ids=None, **given):
        found = super().forward(input_ids=input_ids, **given)
        found.logits = self.table[input_ids][:, -found.logits.shape[1] :]
        return found


@pytest.fixture
def chain():
    shape = GPT2Config(vocab_size=5, n_positions=64, n_embd=8, n_layer=1, n_head=1, pad_token_id=PAD, eos_token_id=EOS)
    return Chain(shape)


def answers(model, most, n=400, tokens=12):
    """Words (2) count 3, stops (3) count 1."""
    width = torch.tensor([0, 0, 3, 1, 99], dtype=torch.int32)
    how = Sampling(tokens, 1.0, EOS, PAD, limit=Limit(most, width, width))
    ids = torch.full((n, 2), 4)
    torch.manual_seed(0)
    return sample(model, ids, torch.ones_like(ids), how), width


def test_an_answer_that_cannot_end_is_written_again(chain):
    # After a word comes another or, at times, a stop; only after a stop comes the end. Nothing fits after two words of
    # six characters: such answers are given up, and none ends on a word.
    no = 1e-9
    begin, word, stop = [no, no, 1.0, no, no], [no, no, 0.1, 0.9, no], [no, 1.0, no, no, no]
    found, width = answers(chain.tell([begin, begin, word, stop, begin]), most=6)
    said = [[token for token in row if token not in (PAD,)] for row in found.tokens.tolist()]
    assert {tuple(row) for row in said} == {(WORD, 3, EOS)}
    assert all(width[row].sum() <= 6 for row in found.tokens)


def test_the_last_try_ends_where_the_model_was_readiest(chain):
    # The end is likeliest after the first word (0.05, which is too little to be drawn as the only thing that fits).
    no = 1e-9
    begin, word = [no, no, 1.0, no, no], [no, 0.05, 0.95, no, no]
    found, _ = answers(chain.tell([begin, begin, word, word, begin]), most=3, n=50)
    assert found.tokens.tolist() == [[WORD, EOS]] * 50
    assert torch.allclose(found.log_probs.exp()[:, 1], torch.tensor(0.05), atol=1e-4)


def test_same_seed_same_texts_under_a_limit(tiny_catalog):
    writer = make_writer(tiny_catalog, limited(20), seed=0)
    assert texts_of(writer, tiny_catalog, 4, 1) == texts_of(writer, tiny_catalog, 4, 1)
    assert texts_of(writer, tiny_catalog, 4, 1) != texts_of(writer, tiny_catalog, 4, 2)


def test_a_writer_of_headlines_ends_its_words(tiny_catalog):
    """Nine in ten texts of a writer that learned ads of 25 characters end with a word of those ads, all within 25."""
    catalog = short(tiny_catalog, 25)
    writer = make_writer(catalog, limited(25), seed=0)
    warm_start(writer, catalog, ["savers"], WarmStartConfig(lines=2400, batch=12, learning_rate=5e-3), seed=0)
    texts = texts_of(writer, catalog, 32)
    assert max(map(characters, texts)) <= 25
    words = {word for ad in catalog.ads for word in ad.text.split()}
    assert sum(text.split()[-1:] != [] and text.split()[-1] in words for text in texts) >= 0.9 * len(texts)


def test_ads_that_are_too_long_are_not_learned(tiny_catalog):
    writer = make_writer(tiny_catalog, limited(5), seed=0)
    with pytest.raises(InputError, match=r"none of 12 reference ads .* over 5 characters"):
        warm_start(writer, tiny_catalog, [], WarmStartConfig(lines=16), seed=0)
    with pytest.raises(InputError, match="max_characters 0: must be above zero"):
        limited(0)


def test_quality_refuses_what_no_reference_ad_is_long_enough_for(tiny_catalog):
    catalog = short(tiny_catalog, 30)
    longest = max(len(ad.text) for ad in catalog.ads)
    column = CHECKS.index("length")

    def fails(text, **options):
        return bool(Quality.of(catalog, naming=False, **options).failures([Creative("k1", text)])[0, column])

    assert longest <= 30
    assert not fails("x" * longest)
    assert fails("x" * 35)
    assert fails("x" * 35, limit=30)
    assert fails("x" * longest, limit=longest - 1)
    assert not fails("铜" * longest, limit=2 * longest)
    assert fails("铜" * longest, limit=2 * longest - 1)
