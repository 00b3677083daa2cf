"""Settings and scenarios that want to break the reader."""

from pathlib import Path

import pytest
import yaml
from copybandit.experiments.harness.config import read_config
from copybandit.experiments.loop import LoopOptions
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.strict_yaml import read_strict_yaml
from copybandit.simulation.scenario import load_scenario, read_scenario

from .fuzz import damaged, one_line, refusal, tried, twisted

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
SETTINGS = {"seed": 1, "ppo": {"updates": 3}, "columns": {"text": "Headline"}, "feedback": {"log_impressions": 5000}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("!!python/object/apply:os.system ['touch mine']", "could not determine a constructor"),
        (LAUGHS, "with its aliases written out it has more than 100,000 values"),
        ("a: &a [*a]", "with its aliases written out it has more than 100,000 values"),
        ("[" * 100_000, "nested too deeply"),
        ("seed: " + "9" * 5000, "digits"),
        ("seed: 99999999999999999999999", "a number of more than 64 bits"),
        ("day: 2026-99-99", "month must be in 1..12"),
        ("a: !!bool x", "not readable as YAML"),
        ("a: !!int ''", "not readable as YAML"),
        ('a: "\\ud800"', "half a character"),
        ('a: "x\\0"', "a zero character"),
        ("? [a, b]\n: 1", "unhashable"),
        ("x" * 2**21, "at most 1,048,576 are read"),
    ],
)
def test_what_yaml_can_hide(text, says):
    Path("t.yaml").write_text(text)
    error = refusal(read_strict_yaml, Path("t.yaml"))
    assert says in str(error) and one_line(error)
    assert not Path("mine").exists()


def test_an_alias_that_is_meant_is_read():
    Path("t.yaml").write_text("a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\n")
    assert read_strict_yaml(Path("t.yaml")) == {"a": {"x": 1}, "b": {"x": 1, "y": 2}}


def test_scenarios_that_stand_on_each_other():
    Path("a.yaml").write_text("base: b.yaml\n")
    Path("b.yaml").write_text("base: a.yaml\n")
    with pytest.raises(InputError, match=r"its base 'a.yaml' is no scenario"):
        read_scenario(Path("a.yaml"))
    Path("b.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match=r"b.yaml: not a mapping"):
        read_scenario(Path("a.yaml"))


def test_numbers_that_are_none(tiny_file):
    tiny = yaml.safe_load(tiny_file.read_text())
    Path("t.yaml").write_text(yaml.safe_dump(tiny | {"interest_gain": float("inf")}))
    with pytest.raises(InputError, match="interest_gain: input should be a finite number"):
        read_scenario(Path("t.yaml"))


def test_the_good_ones_are_read(tiny_file):
    Path("t.yaml").write_text(yaml.safe_dump(SETTINGS))
    assert read_config(Path("t.yaml"), LoopOptions()).run.seed == 1
    assert load_scenario(tiny_file)[0].slots == 2


def test_twisted_settings():
    path = Path("t.yaml")

    def one(seed):
        path.write_text(yaml.safe_dump(twisted(SETTINGS, seed)), encoding="utf-8", errors="surrogatepass")
        read_config(path, LoopOptions())

    tried("config (structure)", one, 80)


def test_damaged_settings():
    path, good = Path("t.yaml"), yaml.safe_dump(SETTINGS).encode()

    def one(seed):
        path.write_bytes(damaged(good, seed))
        read_config(path, LoopOptions())

    tried("config (bytes)", one, 80)


def test_twisted_scenarios(tiny_file):
    tiny, path = yaml.safe_load(tiny_file.read_text()), Path("t.yaml")
    for name in ("catalog", "ads"):
        tiny[name] = str(tiny_file.parent / tiny[name])

    def one(seed):
        path.write_text(yaml.safe_dump(twisted(tiny, seed)), encoding="utf-8", errors="surrogatepass")
        load_scenario(path)

    tried("scenario (structure)", one, 60)


def test_damaged_scenarios(tiny_file):
    path = Path("t.yaml")

    def one(seed):
        path.write_bytes(damaged(tiny_file.read_bytes(), seed))
        read_scenario(path)

    tried("scenario (bytes)", one, 60)
