"""What users remember of single creatives in few places."""

import torch
from copybandit.simulation.response.seen import Seen


def seen(users: int = 2, places: int = 2) -> Seen:
    return Seen(users, places, torch.device("cpu"))


def add(memory: Seen, *events: tuple[int, int, float]) -> None:
    user, creative, wear = zip(*events, strict=True)
    memory.add(torch.tensor(user), torch.tensor(creative), torch.tensor(wear))


def level(memory: Seen, user: int, *creatives: int) -> list[float]:
    return memory.level(torch.tensor([user]), torch.tensor([creatives]))[0].tolist()


def test_wear_adds_up_within_a_batch_and_over_batches():
    memory = seen()
    add(memory, (0, 7, 1.0), (1, 7, 2.0), (0, 7, 0.5), (0, 4, 3.0))
    add(memory, (0, 7, 1.0))
    assert level(memory, 0, 7, 4, 9, 7) == [2.5, 3.0, 0.0, 2.5]
    assert level(memory, 1, 7, 4) == [2.0, 0.0]


def test_the_least_worn_gives_way():
    memory = seen()
    add(memory, (0, 1, 5.0), (0, 2, 1.0))
    add(memory, (0, 3, 2.0))
    assert level(memory, 0, 1, 2, 3) == [5.0, 0.0, 2.0]
    add(memory, (0, 4, 1.0), (0, 5, 1.0))
    assert level(memory, 0, 1, 3, 4, 5) == [0.0, 0.0, 1.0, 1.0]


def test_more_at_once_than_there_are_places():
    memory = seen()
    add(memory, *((0, creative, 1.0) for creative in range(5)), (1, 3, 1.0))
    assert level(memory, 0, 0, 1, 2, 3, 4) == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert level(memory, 1, 3) == [1.0]


def test_creatives_of_high_numbers_and_none_at_all():
    memory = seen()
    add(memory, (1, 2**31 - 1, 1.0), (1, 0, 2.0))
    memory.add(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    assert level(memory, 1, 2**31 - 1, 0) == [1.0, 2.0]
    memory.forget()
    assert level(memory, 1, 2**31 - 1, 0) == [0.0, 0.0]


def test_a_table_is_taken_over_with_what_is_worn_most():
    memory = seen()
    memory.keep(torch.tensor([[0.0, 3.0, 1.0, 2.0], [0.0, 0.0, 0.0, 4.0]]))
    assert level(memory, 0, 0, 1, 2, 3) == [0.0, 3.0, 0.0, 2.0]
    assert level(memory, 1, 0, 1, 2, 3) == [0.0, 0.0, 0.0, 4.0]
    add(memory, (1, 0, 1.0))
    assert level(memory, 1, 0, 3) == [1.0, 4.0]
