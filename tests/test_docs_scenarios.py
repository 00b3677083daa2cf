"""The worked example of docs/scenarios.md is run as it stands there, and its tables name every field."""

import re

import pytest
from copybandit.experiments.compare import CompareOptions, run_compare
from copybandit.experiments.harness.config import configured
from copybandit.simulation.scenario import Appeal, Channel, Scenario, Segment, load_scenario


@pytest.fixture
def page(repository) -> str:
    return (repository / "docs" / "scenarios.md").read_text("utf-8")


@pytest.fixture
def coffee(page, tmp_path):
    """Writes the example's files and returns the scenario's path."""
    files = re.findall(r"`(coffee[\w.-]*)`:\n\n```\w+\n(.*?)```", page, flags=re.DOTALL)
    assert {name for name, _ in files} == {"coffee.yaml", "coffee-catalog.csv", "coffee-ads.csv"}
    for name, text in files:
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path / "coffee.yaml"


def test_the_example_runs(coffee):
    _, catalog = load_scenario(coffee)
    assert len(catalog) == 3 and len(catalog.ads) == 7
    options = configured(
        CompareOptions(),
        agents="lints",
        scenario=str(coffee),
        seeds=2,
        users=50,
        impressions=2048,
        out=coffee.parent / "run",
    )
    assert (run_compare(options) / "report.html").is_file()


def test_the_example_on_a_base_runs(page, tmp_path):
    text = next(text for text in re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL) if "\nbase: shop" in text)
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    scenario, catalog = load_scenario(tmp_path / "mine.yaml")
    assert scenario.name == "shop-in-winter" and scenario.ctr == 0.02
    assert scenario.season.tastes == {"value": 0.8}
    assert len(catalog) >= 96


def test_every_field_is_on_the_page(page):
    named = set(re.findall(r"`([a-z_]+)`", page))
    fields = {name for part in (Scenario, Channel, Appeal, Segment) for name in part.model_fields}
    assert not fields - named
