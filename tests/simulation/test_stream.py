import torch
from copybandit.simulation.visitors.stream import Stream


def counting(block: int = 10):
    asked = []

    def draw(n: int):
        start = sum(asked)
        asked.append(n)
        return torch.arange(start, start + n), torch.arange(start, start + n) * 10

    return Stream(draw, block), asked


def test_rows_come_in_order_and_together():
    stream, asked = counting()
    rows = [stream.take(3) for _ in range(4)]
    assert torch.cat([row[0] for row in rows]).tolist() == list(range(12))
    assert all(torch.equal(row[0] * 10, row[1]) for row in rows)
    assert asked == [9, 9]


def test_a_large_draw_is_drawn_at_once():
    stream, asked = counting()
    assert len(stream.take(25)[0]) == 25
    assert asked == [25]


def test_another_size_drops_what_was_drawn_ahead():
    stream, _ = counting()
    assert stream.take(3)[0].tolist() == [0, 1, 2]
    assert stream.take(5)[0].tolist() == [9, 10, 11, 12, 13]
    stream.clear()
    assert stream.take(5)[0].tolist() == [19, 20, 21, 22, 23]


def test_nothing_asked_nothing_given():
    assert counting()[0].take(0)[0].shape == (0,)
