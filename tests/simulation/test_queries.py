"""What visitors ask: shares of words by hand, retrieval, and what a log says of answers."""

import torch
from copybandit.simulation.data.catalog import Creative, Query
from copybandit.simulation.logs import count_uniform
from copybandit.simulation.text.queries import Queries, share_said
from copybandit.simulation.world import make_world

QUERIES = [Query("steel pan", "kitchen"), Query("warm tent", "outdoor"), Query("sharp steel knife", "kitchen")]


def test_the_share_of_words_said_by_hand():
    share = share_said(["Reset my password", "?"], ["Reset the password!", "my cat", ""])
    assert torch.allclose(share, torch.tensor([[2 / 3, 1 / 3, 0.0], [0.0, 0.0, 0.0]]))
    assert share_said(["?"], ["text"]).tolist() == [[0.0]]
    assert share_said([], ["text"]).shape == (0, 1)


def test_what_answers_best_is_retrieved_first(tiny_catalog):
    queries = Queries(tiny_catalog.with_queries(QUERIES))
    creatives = [
        Creative("o1", "a warm tent"),
        Creative("k1", "a pan of steel"),
        Creative("k2", "a sharp steel knife"),
        Creative("o2", "nothing of the kind"),
    ]
    offered = queries.retrieve(creatives, 2)
    assert offered[:, 0].tolist() == [1, 0, 2]
    assert sorted(offered[2].tolist()) == [1, 2]
    assert queries.retrieve(creatives, 9).shape == (3, 4)


def test_a_log_tells_answers_apart(make_tiny_world, tiny_catalog, tiny_scenario):
    world = make_world(tiny_scenario, tiny_catalog.with_queries(QUERIES), users=40)
    creatives = [Creative("k1", "a pan of steel"), Creative("o1", "a warm tent")]
    counts = count_uniform(world, creatives, 3000, torch.Generator().manual_seed(0))
    assert counts.answer is not None
    seen = {
        (int(creative), *(round(float(value), 4) for value in answer))
        for creative, answer in zip(counts.creative, counts.answer, strict=True)
    }
    # By hand, against "steel pan", "warm tent", "sharp steel knife", and nothing asked for in the feed.
    pan = {(0, 0.0, 0.0), (0, 1.0, 1.0), (0, 1.0, 0.3333)}
    assert seen == pan | {(1, 0.0, 0.0), (1, 1.0, 1.0)}
    assert counts.impressions.sum() == 6000
    assert count_uniform(make_tiny_world(), creatives, 100, torch.Generator().manual_seed(0)).answer is None
