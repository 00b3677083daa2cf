"""`copybandit distil`: a student of a small run, judged on products that it was not taught of."""

import json
from pathlib import Path

import pytest
import torch
from copybandit.experiments.analysis.report.page import write_report
from copybandit.experiments.analysis.report.past_runs import past_runs
from copybandit.experiments.distil import DistilOptions, _any, run_distil
from copybandit.experiments.export import ExportOptions, run_export
from copybandit.experiments.harness.config import configured
from copybandit.experiments.harness.files import read_json
from copybandit.experiments.tune import run_tune
from copybandit.experiments.writing.options import TuneOptions
from copybandit.policies.writer.writer import load_writer
from copybandit.simulation.data.errors import InputError

TINY = Path(__file__).parent.parent / "data" / "tiny.yaml"
STUDY = {"scenario": str(TINY), "users": 40, "log_impressions": 4000, "effect.steps": 20, "device": "cpu"}
STUDY |= {"model": "built-in", "writer.width": 32, "writer.heads": 2, "writer.vocabulary": 400, "warm_start.lines": 160}
STUDY |= {"writer.max_new_tokens": 8, "reward.claims": "off", "looks": 1, "choose": 2}
STUDY |= {"ppo.updates": 2, "ppo.batch": 16, "ppo.mini_batches": 2}
SMALL = {"texts": 4, "kept": 2, "device": "cpu"}
SMALL |= {"student.layers": 1, "student.width": 16, "student.heads": 2, "student.lines": 320, "student.batch": 16}


READING = {"scenario": "shop", "products": 4, "users": 40, "log_impressions": 3000, "effect.steps": 5, "device": "cpu"}
READING |= {"pilot_texts": 0, "scale_prompts": 6, "looks": 1, "choose": 1, "samples": 1, "efficiency_prompts": 1}
READING |= {"ppo.updates": 1, "ppo.batch": 16, "ppo.mini_batches": 1, "attacked_ads": 2, "validation_impressions": 2000}


@pytest.fixture(scope="module")
def reading(tmp_path_factory):
    """A teacher that has read English, and so can write for any product."""
    out = tmp_path_factory.mktemp("reading") / "run"
    return run_tune(configured(TuneOptions(), out=out, **READING))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    out = tmp_path_factory.mktemp("teacher") / "run"
    return run_tune(configured(TuneOptions(), out=out, **STUDY))


def student(teacher, out, **given):
    return run_distil(configured(DistilOptions(), teacher=teacher, out=out, **{**SMALL, **given}))


def test_a_student_is_a_writer_and_its_gain_is_told(teacher, tmp_path):
    run = student(teacher, tmp_path / "student")
    summary = read_json(run / "summary.json")["student"]
    assert set(summary["over_untuned"]) == {"teacher", "student", "teacher, best of 2"}
    gain = {name: part["reward"]["mean"] for name, part in summary["over_untuned"].items()}
    for name, kept in summary["kept_of_gain"].items():
        assert kept == pytest.approx(gain["student"] / gain[name])
    assert summary["parameters"]["student"] < summary["parameters"]["teacher"]
    assert summary["unseen"] > 0 < summary["taught"]
    (past,) = past_runs(run.parent)
    assert past.result.startswith("student's reward lift ")
    assert write_report(run).is_file()
    to = run_export(ExportOptions(run, tmp_path / "writer"))
    assert load_writer(str(to)).model.num_parameters() == summary["parameters"]["student"]


def test_the_same_seed_gives_the_same_student_and_each_option_another(teacher, tmp_path):
    plain = {"student.vocabulary": 0}
    changes = [{}, {}, {"seed": 1}, {"texts": 3}, {"kept": 1}, {"hold_out": 0.5}, {"student.best": 0.0}, plain]
    changes += [plain | {"student.kl": 0.5}, {"student.lines": 160}, {"student.learning_rate": 0.001}]
    changes += [{"student.layers": 2}]
    runs = [student(teacher, tmp_path / str(i), **change) for i, change in enumerate(changes)]
    cooler = student(teacher, tmp_path / "cooler", **{"student.temperature": 0.5})
    assert load_writer(str(cooler / "checkpoint")).sampling.temperature == 0.5
    written = [load_writer(str(run / "checkpoint")).fingerprint() for run in runs]
    assert written[0] == written[1]
    assert len(set(written)) == len(written) - 1


def test_a_teacher_that_reads_english_writes_for_products_that_do_not_exist(reading, tmp_path, capsys):
    """Copy is read and invented products are written for, each by an option of its own."""
    more = {"student.read": 64, "imagined": 1, "student.vocabulary": 400}
    none = {**more, "student.read": 0, "imagined": 0}
    runs = [student(reading, tmp_path / str(i), **given) for i, given in enumerate((more, none))]
    assert "from its catalog alone" not in capsys.readouterr().out
    for run, copy, catalogs in zip(runs, (64, 0), (2, 1), strict=True):
        found = read_json(run / "summary.json")["student"]
        read, taught = found["read"], found["taught"]
        assert read["copy"] == copy
        assert read["chosen"] == 2 * taught * catalogs
        assert 4 * taught * (catalogs - 1) < read["written"] <= 4 * taught * catalogs
    written = [load_writer(str(run / "checkpoint")) for run in runs]
    assert all(writer.has_placeholders for writer in written)
    assert written[0].fingerprint() != written[1].fingerprint()


def test_a_teacher_of_one_catalog_has_no_other_lessons(teacher, tmp_path, capsys):
    runs = [student(teacher, tmp_path / f"{more}", imagined=more, **{"student.read": 64 * more}) for more in (0, 2)]
    assert len({load_writer(str(run / "checkpoint")).fingerprint() for run in runs}) == 1
    assert capsys.readouterr().out.count("the teacher learned from its catalog alone") == 1


def test_a_prompt_of_which_no_text_is_sound_is_known():
    """Of prompt 0 the second text passes, of prompt 1 none does, of prompt 2 both do."""
    sound, prompt = torch.tensor([False, False, True, False, True, True]), torch.tensor([0, 1, 0, 1, 2, 2])
    assert _any(sound, prompt).tolist() == [True, False, True, False, True, True]


def test_what_has_no_student(teacher, tmp_path):
    with pytest.raises(InputError, match="give --teacher"):
        run_distil(DistilOptions())
    with pytest.raises(InputError, match="no finished checkpoint in it"):
        student(tmp_path / "none", tmp_path / "out")
    with pytest.raises(InputError, match="--kept 9: more than the 4 --texts"):
        student(teacher, tmp_path / "out", kept=9)
    with pytest.raises(InputError, match="--hold-out"):
        student(teacher, tmp_path / "out", hold_out=1.0)
    other = tmp_path / "other"
    (other / "checkpoint").mkdir(parents=True)
    for name in ("environment.json", "config.yaml"):
        (other / name).write_bytes((teacher / name).read_bytes())
    for path in (teacher / "checkpoint").iterdir():
        (other / "checkpoint" / path.name).write_bytes(path.read_bytes())
    (other / "environment.json").write_text(json.dumps({"command": "pretrain"}))
    with pytest.raises(InputError, match="not a run of loop or tune"):
        student(other, tmp_path / "out")
    assert not (tmp_path / "out").exists()
