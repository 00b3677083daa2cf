"""A student learns copy, then its teacher's words and, in the end, those that were chosen."""

import pytest
import torch
from copybandit.policies.base.corpus import Line
from copybandit.policies.base.distil import DistilConfig, Lessons, copy_lines, distil, student_of
from copybandit.policies.base.pretrain import encode, said
from copybandit.policies.learning.warm_start import WarmStartConfig, warm_start
from copybandit.policies.writer.prompts import prompt
from copybandit.policies.writer.writer import WriterConfig, make_writer
from copybandit.simulation.data.errors import InputError

SMALL = DistilConfig(layers=1, width=16, heads=2, vocabulary=0, read=0, lines=320, batch=8, learning_rate=0.01)
NOTHING = Lessons([], [], [])


@pytest.fixture(scope="module")
def teacher(tiny_catalog):
    writer = make_writer(tiny_catalog, WriterConfig(layers=1, width=32, heads=2, vocabulary=400), seed=0)
    warm_start(writer, tiny_catalog, [], WarmStartConfig(lines=320, batch=16, learning_rate=5e-3), seed=0)
    return writer


@pytest.fixture(scope="module")
def lines(tiny_catalog):
    asked = [prompt(product) for product in tiny_catalog.products]
    written = [Line(question, text) for question in asked for text in ("one plain text", "another plain text")]
    return Lessons([], written, [Line(question, "chosen words") for question in asked])


def test_the_student_has_the_teachers_vocabulary_and_a_share_of_its_weights(teacher):
    student = student_of(teacher, NOTHING, SMALL, seed=0)
    assert student.tokenizer is teacher.tokenizer
    rows, width = len(teacher.tokenizer), 16
    body = 12 * width**2 + 13 * width  # attention 4, feed-forward 8; biases 9 and two norms of 2
    assert student.model.num_parameters() == rows * width + 128 * width + body + 2 * width
    assert teacher.config.width == 32
    assert teacher.sampling.temperature == 0.9
    assert student.sampling.temperature == 0.8


def test_a_vocabulary_of_its_own_is_made_of_what_was_written(teacher, lines):
    student = student_of(teacher, lines, DistilConfig(**{**vars(SMALL), "vocabulary": 300}), seed=0)
    assert len(student.tokenizer) <= 300
    assert len(student.tokenizer(" one plain text")["input_ids"]) < len(" one plain text") / 2
    assert student.model.get_input_embeddings().weight.shape == (len(student.tokenizer), 16)


def test_what_was_chosen_is_learned_last(teacher, lines):
    chosen = lines.chosen

    def says(best):
        student = student_of(teacher, NOTHING, SMALL, seed=0)
        config = DistilConfig(**{**vars(SMALL), "best": best, "kl": 0.0})
        loss = distil(student, teacher, lines, config, seed=0)
        ids, mask = student.encode_prompts([chosen[0].prompt])
        out = student.model.generate(input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=20)
        return student.decode([chosen[0].prompt], out[:, ids.shape[1] :])[0], loss

    assert "plain" in says(0.0)[0]
    text, loss = says(1.0)
    assert text == "chosen words"
    assert loss < 1


def test_copy_is_read_first(teacher, lines):
    """Nine steps of copy, then of 40 steps a quarter for what was chosen; without copy there is no such lesson."""
    copy = [Line(question.prompt, f"{word} copy") for question in lines.written for word in "abcdefghi"]
    lessons = Lessons(copy, lines.written, lines.chosen)
    config = DistilConfig(**{**vars(SMALL), "read": 72, "best": 0.25})
    assert lessons.steps(config) == (9, 30, 10)
    assert Lessons([], lines.written, lines.chosen).steps(config) == (0, 30, 10)
    student, losses = student_of(teacher, NOTHING, SMALL, seed=0), []
    last = distil(student, teacher, lessons, config, seed=0, told=lambda lines, loss: losses.append(loss))
    assert len(losses) == 49
    assert last == pytest.approx(sum(losses[-2:]) / 2)  # a twentieth of the teacher's 40 steps
    assert max(losses[9:12]) > losses[8]  # the words are other ones now


def test_the_corpus_is_as_long_as_is_asked():
    lines = copy_lines(100, 0)
    assert 100 <= len(lines) <= 150
    assert len({line.text for line in lines}) == len(lines)
    assert copy_lines(100, 0) == lines != copy_lines(100, 1)
    assert copy_lines(0, 0) == []


def test_the_loss_by_hand(teacher, lines):
    """With kl 1 and a batch of one row, the first loss is the mean KL between teacher and student at its tokens."""
    written = lines.written
    student = student_of(teacher, NOTHING, SMALL, seed=0)
    row = encode(student, written[:1])
    with torch.no_grad():
        mine, token = said(student, row, 0.0, 0)
        theirs, _ = said(teacher, row, 0.0, 0)
        p, q = theirs.softmax(-1), mine.softmax(-1)
        kl = (p * (p.log() - q.log())).sum(-1).mean()
        nats = -q.log()[torch.arange(len(token)), token].mean()
    told = []
    config = DistilConfig(**{**vars(SMALL), "lines": 4, "batch": 4, "best": 0.0, "kl": 0.25})
    distil(student, teacher, Lessons([], written[:1], []), config, seed=0, told=lambda lines, loss: told.append(loss))
    assert told == [pytest.approx(float(0.75 * nats + 0.25 * kl), rel=1e-4)]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"heads": 3}, "heads that divide the width"),
        ({"lines": 4}, "a batch of lines at least"),
        ({"read": -1}, "to read none or more"),
        ({"best": 1.5}, "give 0 to 1"),
        ({"kl": -0.1}, "give 0 to 1"),
        ({"temperature": 0.0}, "a number above 0, of 2 at most"),
        ({"kl": 0.5, "vocabulary": 300}, "only a student with the teacher's"),
    ],
)
def test_what_no_student_can_have(wrong, said):
    with pytest.raises(InputError, match=said):
        DistilConfig(**{**vars(SMALL), **wrong})
