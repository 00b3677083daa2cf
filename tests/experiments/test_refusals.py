"""What a run does with texts that may not be published: counted, not placed, told in report, checkpoint and card."""

import json
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from copybandit.experiments.export import ExportOptions, run_export
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.rules import RulesOptions
from copybandit.experiments.placing.options import LoopOptions
from copybandit.experiments.placing.placement import competing
from copybandit.experiments.study.begin import _limited
from copybandit.experiments.tune import run_tune
from copybandit.experiments.writing.options import TuneOptions
from copybandit.experiments.writing.refusals import refusals, share_refused
from copybandit.policies.compliance.filter import Compliance
from copybandit.policies.writer.writer import WriterConfig
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.data.errors import InputError

SHOP = Catalog([Product("a", "pan", "kitchen", 39.0), Product("b", "lamp", "home", 20.0)])
GOOD, BAD = "A pan that lasts", "A miracle, click here"


def test_refused_texts_are_counted_by_rule_with_examples():
    parts = {
        "untuned": [Creative("a", GOOD), Creative("a", BAD)],
        "tuned": [Creative("a", "Click here"), Creative("a", GOOD)],
    }
    found = refusals(Compliance.of(SHOP), parts)
    assert found["parts"]["untuned"] == {"texts": 2, "refused": 1, "rules": {"banned-absolute": 1, "pressure": 1}}
    assert found["parts"]["tuned"] == {"texts": 2, "refused": 1, "rules": {"pressure": 1}}
    assert [(one["rule"], one["text"]) for one in found["examples"]] == [
        ("banned-absolute", BAD),
        ("pressure", "Click here"),
    ]
    assert share_refused(found) == ("untuned 50.0% (banned-absolute 1, pressure 1); tuned 50.0% (pressure 1)")


@dataclass
class Asked:
    """As much of a study as placing asks for its texts."""

    slots: int

    def __post_init__(self) -> None:
        self.asked = [(product, "everyone") for product in SHOP.products]
        self.world = SimpleNamespace(slots=self.slots)

    def compliance(self, config):
        return Compliance.of(SHOP)


def test_a_refused_text_is_not_placed_while_others_fill_the_slots():
    texts = [Creative("a", BAD), Creative("a", GOOD), Creative("b", BAD)]
    assert competing(Asked(slots=1), texts, LoopOptions()) == [texts[1]]
    assert competing(Asked(slots=1), texts, LoopOptions(), as_they_come=True) == [texts[0], texts[2]]
    assert competing(Asked(slots=2), texts, LoopOptions()) == [texts[0], texts[2]]


def test_a_platform_limits_the_writer_that_no_option_limits():
    options = TuneOptions(publishing=RulesOptions(platform="search-headline"))
    assert _limited(options).max_characters == 30
    assert _limited(replace(options, writer=WriterConfig(max_characters=12))).max_characters == 12
    assert _limited(TuneOptions()).max_characters is None


SMALL = {"model": "built-in", "users": 40, "log_impressions": 4000, "effect.steps": 20, "samples": 1, "products": 4}
SMALL |= {"writer.width": 32, "writer.heads": 2, "writer.vocabulary": 400, "writer.max_new_tokens": 8}
SMALL |= {"warm_start.lines": 160, "algorithm": "raft", "raft.texts": 4, "raft.passes": 1, "reward.claims": "off"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run under a rule that the writer can hardly keep to."""
    folder = tmp_path_factory.mktemp("refusals")
    rules = folder / "rules.yaml"
    rules.write_text("rules: [{id: no-the, says: Leave it out., patterns: [the, with, 'an?', for, your, and]}]")
    return run_tune(configured(TuneOptions(), out=folder / "run", rules=str(rules), **SMALL))


def test_each_refused_text_names_its_rule(run):
    texts, parts = (
        pd.read_parquet(run / "creatives.parquet"),
        json.loads((run / "summary.json").read_text())["refused"]["parts"],
    )
    for writer in ("untuned", "tuned"):
        mine = texts[texts.writer == writer]
        assert parts[writer]["refused"] == (mine.refused != "").sum()
        assert parts[writer]["rules"].get("no-the", 0) == mine.refused.str.contains("no-the").sum()
    assert parts["scored"]["refused"] > 0
    assert parts["tuned"]["refused"] <= parts["untuned"]["refused"]
    assert "no-the" in (run / "report.html").read_text()


def test_the_checkpoint_says_how_many_were_refused(run, tmp_path):
    run_export(ExportOptions(run, tmp_path / "taken"))
    told = json.loads((tmp_path / "taken" / "compliance.json").read_text())
    assert told["parts"] == json.loads((run / "summary.json").read_text())["refused"]["parts"]
    assert "not thereby lawful" in told["caveat"]
    assert "| texts that a rule refuses | untuned" in (tmp_path / "taken" / "README.md").read_text()


def test_the_refusal_is_a_term_of_the_reward(run):
    metrics = pd.read_csv(run / "metrics.csv")
    raw, weighted = (
        metrics.loc[metrics.name == name, "value"].to_numpy() for name in ("raw/refused", "weighted/refused")
    )
    assert len(raw) and raw.max() > 0
    assert torch.allclose(torch.tensor(weighted), -0.5 * torch.tensor(raw), atol=1e-6)


@pytest.mark.parametrize(("name", "value"), [("platform", "radio"), ("rules", "none.yaml")])
def test_what_is_no_rule_is_said_before_anything_is_computed(name, value, tmp_path):
    with pytest.raises(InputError, match=value):
        run_tune(configured(TuneOptions(), out=tmp_path / "run", **SMALL, **{name: value}))
