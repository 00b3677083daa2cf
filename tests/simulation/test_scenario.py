import shutil

import pytest
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.scenario import BUILT_IN, load_scenario


@pytest.fixture
def rewrite(tiny_file, tmp_path):
    """Writes the tiny scenario with a change and returns its path."""
    shutil.copytree(tiny_file.parent / "tiny", tmp_path / "tiny")

    def write(old: str, new: str):
        text = tiny_file.read_text("utf-8")
        assert old in text
        path = tmp_path / "mine.yaml"
        path.write_text(text.replace(old, new), "utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("visits_per_hour", "visits_per_hours", "'visits_per_hours' is no key of a scenario; correct its spelling"),
        ("channels:", "chanels:", "'chanels' is no key"),
        ("share: 0.6, base", "shar: 0.6, base", "'channels.search.shar' is no key"),
        ("ctr: 0.2", "ctr: 0.9", "ctr: input should be less than 0.5; correct it"),
        ("cvr: 0.3\n", "", "cvr: field required"),
        ("[1.0, 0.6]", "[1.0]", "channels differ in their number of slots; give every `examination` the same"),
        ("[1.0, 0.6]", "[1.0, 0.0]", "channels.search.examination.1: input should be greater than 0"),
        ("urgency: 0.4", "urgncy: 0.4", "taste for 'urgncy', which is no appeal; known: value, quality, urgency"),
        ("{kitchen: 0.5}", "{kichen: 0.5}", "category 'kichen' is not in tiny/catalog.csv, which has kitchen, outdoor"),
        ("ctr: 0.2", "ctr: [0.2", "not readable as YAML (row 9: "),
        ("tiny/ads.csv", "tiny/none.csv", "none.csv: no such file"),
    ],
)
def test_a_wrong_scenario_is_named(rewrite, old, new, expected):
    with pytest.raises(InputError) as caught:
        load_scenario(rewrite(old, new))
    message = str(caught.value)
    assert "\n" not in message
    assert expected in message
    assert "mine.yaml" in message or "none.csv" in message


@pytest.mark.parametrize("content", [b"", b"- a list", "name: café".encode("latin-1")])
def test_a_file_that_is_no_scenario(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.yaml: "):
        load_scenario(path)


@pytest.mark.parametrize("name", ["nowhere", "none.yaml", "."])
def test_no_such_scenario(name):
    with pytest.raises(InputError, match=r"no such scenario; built in are .*shop"):
        load_scenario(name)


@pytest.mark.parametrize("name", sorted(path.stem for path in BUILT_IN.glob("*.yaml")))
def test_built_in_scenarios_load(name):
    scenario, catalog = load_scenario(name)
    assert scenario.name == name
    assert catalog.ads
    assert sum(channel.share for channel in scenario.channels.values()) == pytest.approx(1)
    assert sum(segment.share for segment in scenario.segments.values()) == pytest.approx(1)
