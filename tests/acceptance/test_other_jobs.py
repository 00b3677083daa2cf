"""Whole jobs without the demo: every command at a smoke size, and on real data.

A file of their own, so that they run beside the demo and what follows from it.
"""

import pandas as pd
import pytest
from copybandit.agents.state import load_agent

from .conftest import finished

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "arguments",
    [  # rounds are run by the page of `loop`
        ("pareto", "--quick"),
        ("compare", "--quick"),
        ("compare", "--quick", "--scenario", "feed", "--agents", "linucb"),
        ("compare", "--quick", "--writers", "raft,best-of-4"),
        ("case-study", "--quick"),
        ("loop", "--quick", "--scenario", "chafang"),
    ],
    ids=" ".join,
)
def test_a_command_ends_with_a_report(console, workplace, arguments):
    out = "-".join(arguments).replace("--", "").replace(",", "+")
    console(*arguments, "--out", out)
    summary = finished(workplace / out)
    assert summary["wall_seconds"]


def test_the_loop_on_the_real_archive(archive, console, workplace):
    console("loop", "--archive", archive, "--quick", "--out", "archive")
    summary = finished(workplace / "archive")
    assert summary["grid"]["tuned"]["bandit"]["mean"] > 0
    labels = load_agent(workplace / "archive" / "placement").labels
    assert labels is not None
    assert labels.creatives


def test_headlines_of_the_real_archive(archive, console, workplace):
    """headlines -> score."""
    console("headlines", "--archive", archive, "--encoder", "none", "--quick", "--out", "headlines")
    summary = finished(workplace / "headlines")
    assert summary["pairwise_accuracy"]["significant"]["low"] > 0.5
    (workplace / "texts.csv").write_text("test_id,text\na,Why Cats Swim\na,A cat swims\nb,Banks and fees\n")
    console("score", "texts.csv", "--predictor", "headlines/predictor", "--out", "scores")
    assert pd.read_parquet(workplace / "scores" / "scores.parquet").best[:2].sum() == pytest.approx(1)


def test_a_world_of_the_real_archive(archive, console, workplace):
    """calibrate --archive -> compare --scenario."""
    console("calibrate", "--archive", archive, "--quick", "--out", "news")
    finished(workplace / "news")
    console("compare", "--scenario", workplace / "news" / "world.safetensors", "--quick", "--out", "compare-news")
    finished(workplace / "compare-news")


def test_the_open_bandit_dataset(open_bandit, console, workplace):
    random, bts = open_bandit / "random" / "men", open_bandit / "bts" / "men"
    console("offline", "--open-bandit", random, "--on-policy", bts, "--policy", "uniform", "--out", "offline-obd")
    summary = finished(workplace / "offline-obd")
    assert summary["estimates"]["uniform"]
    console("calibrate", "--open-bandit", random, "--on-policy", bts, "--out", "calibrate-obd")
    finished(workplace / "calibrate-obd")
