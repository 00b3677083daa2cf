"""How well do we predict and place real A/B-tested copy? Learned from tests of an archive, judged on others."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..policies.headlines.encoder import Encoder
from ..policies.headlines.model import CrossFit, fit_headline_model
from ..policies.headlines.predictor import Predictor
from ..policies.headlines.stack import read_by
from ..simulation.archive.contrasts import thin
from ..simulation.archive.tests import Archive, SplitBy, read_archive
from ..simulation.data.columns import ColumnNames, parse_columns
from ..simulation.data.errors import InputError
from .analysis.drawing.formats import bracketed
from .analysis.headlines.bound import most_earned
from .analysis.headlines.figures import accuracies, captures, judged_pairs, reliability, what_matters
from .analysis.headlines.placements import NO_END, OURS, learn_prior, policies
from .analysis.headlines.replay import BATCHES, ArchiveTests, join, replay, replayed_tests
from .analysis.headlines.tests import differing, mismatched, winners
from .analysis.report.page import write_report
from .analysis.statistics.bootstrap import Array
from .harness.files import write_table
from .harness.options import Device, Flat, Idle, RunOptions, refuse_below, torch_device
from .harness.run import Run

SMOKE_TEXTS = 1000
"""Texts of the archive that `--quick` looks at."""


@dataclass(frozen=True)
class HeadlinesOptions:
    """Options of `copybandit headlines`."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    device: Device = "auto"
    """Where tensors live; auto takes a CUDA device when there is one."""
    archive: Path | None = None
    """A/B tests to learn from: the Upworthy Research Archive as published, or `test_id, text, impressions, clicks`."""
    test: Path | None = None
    """Other tests to be judged on; without it the archive is cut into parts and each is held out in turn."""
    columns: ColumnNames = ""
    """Columns of the archive that have other names there: text=Headline,clicks=Clicks."""
    splits: int = 5
    """Parts the archive is cut into."""
    split_by: SplitBy = "story"
    """story: no text and no story is in two parts. test: only tests are kept whole, so that a headline which was tested
    twice may be learned from in one test and judged in the other."""
    encoder: str = "auto"
    """A sentence-transformers directory, a language model (a directory or a GGUF file), or one of each with a comma
    between; packaged: that of the `encoder` extra; auto: the same if it is installed; none."""
    traffic: tuple[int, ...] = (250, 500, 2000, 8000, 32_000)
    """Impressions a test gets in the replay."""
    batches: int = BATCHES
    """Parts in which a test's impressions come, and after which policies see what they brought; 24: hours of a day."""
    repetitions: int = 4
    """Of every replay, with other clicks."""

    def __post_init__(self) -> None:
        refuse_below(self, splits=2, repetitions=1, batches=2)
        if not self.traffic or min(self.traffic) < max(100, self.batches):
            raise InputError(
                f"--traffic {self.traffic}: give {max(100, self.batches)} impressions or more, a batch has at least one"
            )

    def idle(self) -> Idle:
        """Tests of another file are judged as they are; only an encoder computes on a device."""
        found: dict[str, str] = {}
        if self.test is not None:
            found |= dict.fromkeys(("splits", "split-by"), "with --test, which is not cut")
        if self.encoder == "none":
            found["device"] = "without an encoder"
        return found


@dataclass(frozen=True)
class Judged:
    """One split: what was held out, and what was learned from the rest."""

    arms: pd.DataFrame
    """`Archive.contrasts` held out, with `predicted`, `certainty` and `split`."""
    fit: CrossFit
    learned: ArchiveTests
    """The tests learned from, with predictions by models that had not seen their stories."""
    held_out: ArchiveTests


def run_headlines(options: HeadlinesOptions) -> Path:
    """`copybandit headlines`: leaves pairwise accuracy, calibration, capture by traffic, and predictions."""
    archive, test, notes = _read(options)
    if options.run.quick:
        thinned = thin(archive.contrasts, SMOKE_TEXTS, np.random.default_rng(options.run.seed))
        archive = dataclasses.replace(archive, arms=thinned)
    parts = list(_parts(archive, test, options))
    if any(learn.story.nunique() < 2 for learn, _ in parts):
        raise InputError(f"{options.archive}: some part has fewer than two stories to learn from; bring more tests")
    run = Run("headlines", options)
    encoder = _encoder(options, [archive, *([test] if test else [])], run)
    judged = []
    with run.stage("effect model", total=len(parts)) as stage:
        for i, (learn, hold) in enumerate(parts):
            judged.append(_judge(learn, hold, encoder, i, options))
            stage.advance(1)
    predictor = _predictor(archive, judged, encoder, options, run)
    arms = pd.concat([part.arms for part in judged], ignore_index=True)
    arms["group"] = pd.factorize(arms.split.astype(str) + "/" + arms.group.astype(str))[0]
    predicted = _prediction(arms, judged)
    placed = _placement(judged, options, run)
    with run.stage("what matters"):
        matters = what_matters(archive.contrasts)
    with run.stage("the tests themselves"):
        tested = _tests(test or archive, judged, options, run)
    write_table(run.path / "headlines.parquet", arms.drop(columns=["story", "certainty"]))
    summary = {
        "command": "headlines",
        "tests": arms.test_id.nunique(),
        "texts": len(arms),
        "encoder": "none" if encoder is None else encoder.title,
        **predicted,
        "predictor": vars(predictor.calibration),
        **placed,
        **tested,
        "what_matters": matters,
        "caveat": CAVEAT,
        "notes": notes,
    }
    run.finish(summary)
    _show(summary, run)
    write_report(run.path)
    return run.path


CAVEAT = (
    "Real texts and real clicks, replayed: what a policy would have earned if readers had clicked as they did. The "
    "Upworthy archive is news, not e-commerce, and it has no conversions."
)


def _read(options: HeadlinesOptions) -> tuple[Archive, Archive | None, list[str]]:
    if options.archive is None:
        raise InputError("--archive is missing; give a file of A/B tests, such as the Upworthy Research Archive")
    columns = parse_columns(options.columns)
    archive = read_archive(options.archive, columns)
    notes = [f"{options.archive.name}: {note} were left out." for note in [*archive.notes, *_without_rival(archive)]]
    if options.test is None:
        return archive, None, notes
    test = read_archive(options.test, columns)
    notes += [f"{options.test.name}: {note} were left out." for note in [*test.notes, *_without_rival(test)]]
    both = sorted(set(archive.arms.test_id) & set(test.arms.test_id))
    if both:
        raise InputError(
            f"{options.test}: test {both[0]} is in {options.archive} too ({len(both)} tests are in both); "
            "take them out of one of the files"
        )
    known = _sharing(archive, test)
    if known.all():
        raise InputError(f"{options.archive}: every test shares a text or story with {options.test}; nothing is left")
    if known.any():
        count = archive.arms.test_id[known].nunique()
        notes.append(
            f"{count:,} tests of {options.archive.name} that share a text or story with a judged test were left out."
        )
    return dataclasses.replace(archive, arms=archive.arms[~known].reset_index(drop=True)), test, notes


def _without_rival(archive: Archive) -> list[str]:
    single = len(archive) - archive.contrasts.test_id.nunique()
    return [f"{single:,} tests without two texts under one picture"] if single else []


def _sharing(archive: Archive, test: Archive) -> pd.Series:
    """Arms of stories of which a text, or what they are about, is in the other archive."""
    texts, about = (set(test.arms[name].str.lower()) - {""} for name in ("text", "about"))
    same = archive.arms.text.str.lower().isin(texts) | archive.arms.about.str.lower().isin(about)
    return same.groupby(archive.arms.story).transform("any")


def _parts(
    archive: Archive, test: Archive | None, options: HeadlinesOptions
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """What is learned from and what is held out, split by split."""
    if test is not None:
        yield archive.contrasts, test.contrasts
        return
    cut = dataclasses.replace(archive, arms=archive.contrasts).split(
        [1.0] * options.splits, options.run.seed, options.split_by
    )
    for i, part in enumerate(cut):
        rest = pd.concat([other.arms for j, other in enumerate(cut) if j != i], ignore_index=True)
        yield Archive(rest).contrasts, part.contrasts


def _encoder(options: HeadlinesOptions, archives: list[Archive], run: Run) -> Encoder | None:
    encoder = Encoder.chosen(options.encoder, torch_device(options.device))
    if encoder is not None:
        texts = sorted({text for archive in archives for text in archive.contrasts.text})
        with run.stage("vectors of texts", total=len(texts) * len(encoder.sources)) as stage:
            encoder.encode(texts, progress=stage.advance)
    return encoder


def _judge(
    learn: pd.DataFrame,
    hold: pd.DataFrame,
    encoder: Encoder | None,
    split: int,
    options: HeadlinesOptions,
) -> Judged:
    texts, seed = learn.text.tolist(), options.run.seed
    views, config = read_by(texts, encoder, seed)
    fit = fit_headline_model(learn, views, config, seed=seed)
    predicted = fit.model.predict(hold.text.tolist())
    arms = hold.assign(predicted=predicted, certainty=fit.model.certainty, split=split)
    return Judged(arms, fit, replayed_tests(learn, fit.unseen), replayed_tests(hold, predicted))


def _predictor(
    archive: Archive, judged: list[Judged], encoder: Encoder | None, options: HeadlinesOptions, run: Run
) -> Predictor:
    """The predictor to take along, learned from all tests but those of `--test`."""
    arms, seed = archive.contrasts, options.run.seed
    with run.stage("predictor") as stage:
        if options.test is not None:
            fit = judged[0].fit
        else:
            texts = arms.text.tolist()
            views, config = read_by(texts, encoder, seed)
            fit = fit_headline_model(arms, views, config, seed=seed)
        name = "" if encoder is None else encoder.name
        facts = {"learned from": archive.source, "tests": f"{arms.test_id.nunique():,}", "texts": f"{len(arms):,}"}
        made = {"made by": f"copybandit headlines --seed {seed}, version {version('copybandit')}"}
        predictor = Predictor.of(fit, arms, name, facts | made)
        predictor.save(run.path / "predictor")
        stage.advance(0, f"{predictor.calibration.covered:.1%} of differences inside their 95% intervals")
    return predictor


def _prediction(arms: pd.DataFrame, judged: list[Judged]) -> dict[str, Any]:
    pairs = judged_pairs(arms)
    by_split = [accuracies(judged_pairs(part.arms))["pairwise_accuracy"] for part in judged]
    return {
        **accuracies(pairs),
        "splits": [{name: value["mean"] for name, value in split.items()} for split in by_split],
        "calibration": reliability(pairs.promised.to_numpy(), pairs.right.to_numpy()),
    }


def _placement(judged: list[Judged], options: HeadlinesOptions, run: Run) -> dict[str, Any]:
    """Replays the tests of every split under policies that learned from the rest of it."""
    tests = join([part.held_out for part in judged])
    found: dict[str, Any] = {"capture": {}, "gained": {}, "margin": {}, "bound": {}, "of_bound": {}}
    with run.stage("placement", total=len(options.traffic) * len(judged)) as stage:
        for total in options.traffic:
            earned: dict[str, list[Array]] = {}
            most: list[Array] = []
            for split, part in enumerate(judged):
                stream = np.random.default_rng([options.run.seed, total, split])
                for name, make in policies(part.learned, total, stream).items():
                    clicks = replay(part.held_out, make(), total, stream, options.repetitions, options.batches)
                    earned.setdefault(name, []).append(clicks)
                most.append(most_earned(part.held_out, learn_prior(part.held_out), total, stream))
                stage.advance(1)
            joined = {name: np.concatenate(parts) for name, parts in earned.items()}
            rng = np.random.default_rng([options.run.seed, total])
            figures = captures(tests, joined, (OURS, NO_END), rng, np.concatenate(most))
            for key, value in figures.items():
                found[key][str(total)] = value
    trust = [learn_prior(part.learned).trust for part in judged]
    return found | {"oracle_over_uniform": float(tests.best.sum() / tests.uniform.sum() - 1), "trust": trust}


def _tests(archive: Archive, judged: list[Judged], options: HeadlinesOptions, run: Run) -> dict[str, Any]:
    """When winners can be called, which texts differ, which tests were dealt unevenly (also in a file)."""
    uneven = mismatched(archive.arms)
    write_table(run.path / "sample_ratio.csv", uneven)
    rng = np.random.default_rng([options.run.seed, 1])
    return {
        "winners": winners(join([part.held_out for part in judged]), options.traffic, rng),
        "differing": differing(archive.contrasts),
        "sample_ratio": {"tests": len(archive), "mismatched": len(uneven)},
    }


def _show(summary: dict[str, Any], run: Run) -> None:
    for name, value in summary["pairwise_accuracy"].items():
        run.say(f"pairwise accuracy, {name}: {bracketed(value, '.3f')}")
    for total, row in summary["capture"].items():
        for name, value in row.items():
            run.say(f"capture at {total}, {name:<14} {bracketed(value, '+.3f')}")
        margin, bound = summary["margin"][total], summary["bound"][total]
        if max(value["mean"] for value in row.values()) <= bound["mean"] <= 1:
            run.say(f"  no policy captures more than {bracketed(bound, '+.3f')}")
        else:
            run.say(
                f"  {summary['sample_ratio']['tests']} tests are too few to tell what a policy could capture at most"
            )
        run.say(f"  ours over {margin['over']}: {bracketed(margin, '+.3f')}")
