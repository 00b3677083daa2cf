"""The learned reader of breaches: it flags, it refuses nothing, and what it learns is the same every time."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from copybandit.policies.compliance import train_classifier
from copybandit.policies.compliance.classifier import (
    SHIPPED,
    Classifier,
    Model,
    columns,
    features,
    language_of,
    shipped,
)
from copybandit.policies.compliance.filter import LONGEST, Compliance
from copybandit.policies.compliance.rates import flags_told, labelled, with_flags
from copybandit.simulation.data.catalog import Catalog, Creative, Product
from copybandit.simulation.data.errors import InputError

CATALOG = Catalog([Product("p", "tea", "food", 12.0, "Harrow")])
BAD, FINE = "Melt the pounds away while you sleep.", "A cast iron skillet that lasts for decades."
REFUSED = "A miracle: melt the pounds away while you sleep."
ID = "reads-like-a-breach"


def creatives(*texts: str) -> list[Creative]:
    return [Creative("p", text) for text in texts]


def of_rules(tmp_path: Path, text: str) -> Compliance:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return Compliance.of(CATALOG, rules=str(path))


def test_a_breach_that_no_pattern_knows_is_flagged() -> None:
    found, probabilities = Compliance.of(CATALOG).read(creatives(BAD, FINE, REFUSED))
    assert [[(b.rule, b.severity) for b in one if b.rule == ID] for one in found] == [[(ID, "flag")], [], []]
    assert any(breach.severity == "refuse" for breach in found[2])
    assert found[0][0].remedy == "Reads like copy that is refused: have a person look."
    assert probabilities[0] > 0.9 > 0.1 > probabilities[1]


def test_what_chooses_and_rewards_texts_does_not_hear_of_it(tmp_path: Path) -> None:
    texts = creatives(BAD, FINE, REFUSED)
    with_it, without = Compliance.of(CATALOG), of_rules(tmp_path, f"switch_off: [{ID}]")
    with_it.read(texts)
    assert with_it.check(texts) == without.check(texts)
    assert with_it.check(texts)[:2] == [(), ()]
    assert with_it.refused(texts).tolist() == [0, 0, 1]
    assert with_it.refusing(texts) == without.refusing(texts)


@pytest.mark.parametrize("rules", [f"switch_off: [{ID}]", "none"])
def test_it_is_switched_off_like_any_rule(tmp_path: Path, rules: str) -> None:
    judge = Compliance.of(CATALOG, rules="none") if rules == "none" else of_rules(tmp_path, rules)
    found, probabilities = judge.read(creatives(BAD, FINE))
    assert found == [(), ()] and np.isnan(probabilities).all() and judge.thresholds() == {}


def test_users_write_no_learned_rule(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="check: 'learned' is none of"):
        of_rules(tmp_path, "rules: [{id: a, says: b, patterns: [a], check: learned}]")


def test_what_is_not_read_has_no_probability() -> None:
    found, probabilities = Compliance.of(CATALOG).read(creatives("Быстро", "12 345", BAD * LONGEST))
    assert np.isnan(probabilities).all() and [b.rule for one in found for b in one] == ["too-long"]
    assert [language_of(text) for text in ("Tea", "龙井 Tea", "чай")] == ["en", "zh", ""]
    assert len(shipped().probabilities([])) == 0


def test_tricks_of_spelling_change_nothing() -> None:
    plain, disguised = shipped().probabilities([BAD, BAD.replace("e", "е").replace("pounds", "pou\u200bnds").upper()])
    assert plain == pytest.approx(disguised)


def test_a_text_reads_the_same_whatever_stands_beside_it() -> None:
    alone = [shipped().probabilities([text])[0] for text in (BAD, FINE, "龙井")]
    assert shipped().probabilities([BAD, FINE, "龙井"]).tolist() == alone


def test_probabilities_by_hand() -> None:
    rows = features(["tea"], "en")
    # One word: of length 1 by itself, in one column. The weight 2 there and a bias of -1 are a logit of 1.
    weights = np.zeros(columns("en"), dtype=np.float32)
    weights[rows.indices[rows.indices >= columns("zh")]] = 2
    assert Model(weights, -1.0, 0.5).probabilities(rows)[0] == pytest.approx(1 / (1 + math.exp(-1)))
    assert rows.multiply(rows).sum() == pytest.approx(2)  # characters and words, each of length 1


def lines(path: Path, good: list[str], bad: list[str], split: str = "dev") -> Path:
    rows = [{"text": t, "publishable": p} for texts, p in ((good, "yes"), (bad, "no")) for t in texts]
    frame = pd.DataFrame(rows).assign(split=split, language="en", title="tea", brand="", price=3)
    both = pd.concat([frame, frame.assign(language="zh", text="茶" + frame.text)])
    both.to_csv(path, index=False)
    return path


@pytest.fixture
def authors(tmp_path: Path) -> list[str]:
    first = lines(tmp_path / "a.csv", ["A calm green tea.", "Leaves of spring."], ["Slim by Monday.", "Slim in days."])
    second = lines(tmp_path / "b.csv", ["Spring in a cup.", "A green cup."], ["Slim for good.", "Be slim by dawn."])
    return [str(first), str(second)]


def test_the_same_lines_give_the_same_weights(authors: list[str], tmp_path: Path, capsys) -> None:
    made = []
    for name in ("one", "two"):
        train_classifier.main([*authors, "--out", str(tmp_path / name)])
        made.append(Classifier.load(tmp_path / name))
    for language, model in made[0].models.items():
        assert np.array_equal(model.weights, made[1].models[language].weights)
        assert (model.bias, model.threshold) == (made[1].models[language].bias, made[1].models[language].threshold)
    assert made[0].probabilities(["Slim soon."])[0] > 0.5 > made[0].probabilities(["Green leaves."])[0]
    assert "en: flags from" in capsys.readouterr().out


def test_nothing_is_learned_from_lines_kept_apart(authors: list[str], tmp_path: Path) -> None:
    test = lines(tmp_path / "c.csv", ["Slim slim slim."], ["Green green green."], split="test")
    files = [Path(one) for one in authors]
    without, beside = (train_classifier.train(labelled(part)) for part in (files, [*files, test]))
    assert all(np.array_equal(m.weights, beside.models[name].weights) for name, m in without.models.items())


def test_an_author_left_out_is_read_by_a_model_of_the_others(tmp_path: Path) -> None:
    files = [
        lines(tmp_path / f"{name}.csv", ["A green cup.", f"Tea {name}."], ["Be slim.", f"Slim {name}."])
        for name in ("x", "y")
    ]
    # The third author calls good what the others call bad: only a model that saw the lines could be right about them.
    files.append(lines(tmp_path / "z.csv", ["Be slim.", "Slim y."], ["A green cup.", "Tea y."]))
    found = labelled(files)
    flagged = train_classifier.left_out(found)
    his = (found.author == "z").to_numpy()
    assert flagged[his & ~found.bad].all() and not flagged[his & found.bad].any()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{a}", "--out", "{dir}/new"], "en: needs good lines and breaches of 2 authors at least; a do not do"),
        (["{a}", "{b}", "--out", "{b}"], "b.csv: is there already"),
        (["{dir}/none.csv", "--out", "{dir}/new"], "none.csv: cannot be read"),
    ],
)
def test_bad_files_are_one_line(authors: list[str], tmp_path: Path, arguments: list[str], says: str) -> None:
    given = [one.format(a=authors[0], b=authors[1], dir=tmp_path) for one in arguments]
    with pytest.raises(InputError, match=says) as caught:
        train_classifier.main(given)
    assert "\n" not in str(caught.value)


def test_damaged_or_other_weights_are_one_line(tmp_path: Path) -> None:
    data = bytearray(SHIPPED.read_bytes())
    data[-1] ^= 1
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(data)
    with pytest.raises(InputError, match=r"bad\.safetensors") as caught:
        Classifier.load(bad)
    assert "\n" not in str(caught.value)
    few = tmp_path / "few.safetensors"
    Classifier({"en": Model(torch.zeros(3).numpy(), 0.0, 0.5)}).save(few, {})
    with pytest.raises(InputError, match=r"few\.safetensors: holds weights of other features"):
        Classifier.load(few)


def test_what_ships_is_small() -> None:
    assert SHIPPED.stat().st_size < 300_000
    assert set(shipped().models) == {"en", "zh"}


def test_what_passes_by_hand() -> None:
    found = with_flags(
        pd.DataFrame(
            {
                "author": "a",
                "split": ["dev"] * 5 + ["test"],
                "language": "en",
                "bad": [True, True, True, False, False, False],
                "refused": [True, False, False, True, False, False],
            }
        ),
        np.array([True, True, False, True, False, True]),
    )
    counts = {name: [(c["wrong"], c["lines"]) for c in cells.values()] for name, cells in found.items()}
    assert counts == {
        "a, English": [(2, 3), (1, 3), (1, 2), (0, 2)],
        "a, test, English": [(0, 0), (0, 0), (0, 1), (1, 1)],
    }
    assert "| a, English | 2 of 3 (21% to 94%) | 1 of 3 (6% to 79%) |" in flags_told(found)


def test_the_page_and_the_evidence_give_what_is_measured(repository: Path) -> None:
    """Of lines that nothing learned from; authors left out are read from the evidence, which takes less time."""
    page = (repository / "docs" / "commands" / "check.md").read_text(encoding="utf-8")
    results = repository / "docs" / "evidence" / "results" / "compliance.json"
    kept = json.loads(results.read_text(encoding="utf-8"))["classifier"]
    for part, name in (("author never seen", "compliance_d"), ("untouched half", "compliance_held_out")):
        read = labelled([repository / "tests" / "data" / f"{name}.csv"])
        found = with_flags(read, shipped().flags(read.text.tolist()))
        found = {key: cells for key, cells in found.items() if ", test," in key or ", untouched," in key}
        assert len(found) == 2 and all(kept[part][key] == cells for key, cells in found.items())
        assert all(row in page for row in flags_told(found).splitlines())
    by_author = {key: cells for key, cells in kept["authors left out"].items() if isinstance(cells, dict)}
    shown = {key: cells for key, cells in by_author.items() if "held_out" not in key or "untouched" in key}
    assert len(shown) == 10 and all(row in page for row in flags_told(shown).splitlines())


def test_the_command_line_is_no_slower_for_it() -> None:
    code = "import sys, copybandit.experiments.check; print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
