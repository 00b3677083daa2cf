import pytest
import torch


def test_context_by_hand(tiny_world):
    visits = tiny_world.visitors(200)
    names = tiny_world.traffic.context_names
    assert names == (
        *("bias", "segment=savers", "segment=makers", "browsing=kitchen", "browsing=outdoor"),
        *("channel=search", "channel=feed", "query=kitchen", "query=outdoor"),
    )
    people = tiny_world.audience
    for i in range(200):
        user, channel, query = (int(x[i]) for x in (visits.user, visits.channel, visits.query))
        views = people.browsing[user] / people.browsing[user].sum().clamp(min=1)
        expected = [1, people.segment[user] == 0, people.segment[user] == 1, *views]
        expected += [channel == 0, channel == 1, query == 0, query == 1]
        torch.testing.assert_close(visits.context[i], torch.tensor(expected).float())


def test_only_a_channel_with_intent_brings_a_query(tiny_world):
    visits = tiny_world.visitors(5000)
    assert ((visits.query >= 0) == (visits.channel == 0)).all()
    assert (visits.channel == 0).float().mean().item() == pytest.approx(0.6, abs=0.03)


def test_the_clock_ticks_evenly_across_calls(tiny_world):
    hours = torch.cat([tiny_world.visitors(3).hours, tiny_world.visitors(2).hours])
    torch.testing.assert_close(hours, torch.arange(5, dtype=torch.float64) / 100)


def test_users_come_by_activity_and_ask_by_interest(make_tiny_world):
    world = make_tiny_world(users=5)
    visits, people = world.visitors(40_000), world.audience
    came = torch.bincount(visits.user, minlength=5) / 40_000
    torch.testing.assert_close(came, people.activity / people.activity.sum(), atol=0.01, rtol=0)
    busiest = int(came.argmax())
    asked = visits.query[(visits.user == busiest) & (visits.query >= 0)]
    wanted = people.interest[busiest].softmax(0)[1].item()
    assert asked.float().mean().item() == pytest.approx(wanted, abs=0.03)


def test_slicing_keeps_rows_together(tiny_world):
    visits = tiny_world.visitors(10)
    part = visits[torch.tensor([7, 2])]
    assert len(part) == 2
    assert torch.equal(part.context, visits.context[[7, 2]])
    assert torch.equal(part.hours, visits.hours[[7, 2]])
