"""Which way of tuning is best? All from one warm-started writer, with one reward, for one budget of reward calls."""

import dataclasses
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

import numpy as np
import pandas as pd
import torch

from ..policies.reward.diversity import compression_ratio, distinct, self_bleu
from ..policies.reward.scored_texts import ScoredTexts
from ..policies.reward.select import choice_kl
from ..policies.tuning.registry import Algorithm, TunerSettings
from ..policies.writer.likelihood import kl_between
from ..policies.writer.writer import load_weights, own_weights
from ..simulation.data.catalog import Creative
from ..simulation.data.errors import InputError
from ..simulation.text.encoder import tokens
from .analysis.report.page import write_report
from .analysis.statistics.bootstrap import Array, Interval, bootstrap
from .harness.files import write_table
from .harness.options import Flat, Idle, refuse_below
from .harness.run import Run
from .study.begin import make_study
from .study.options import StudyOptions
from .study.study import Study, write_for
from .writing.choosing import final_texts
from .writing.options import ChoosingOptions, idle_tuners
from .writing.tuning import frozen_reward, tuning_stage, warm_start_stage
from .writing.verdict import judge, vendi_of

_TUNED = [name for name in get_args(Algorithm) if name != "best-of-n"]
_WAY = re.compile(rf"(?:({'|'.join(_TUNED)})(?:\+|$))?(?:best-of-(\d+))?")
FIGURES = ("reward", "ctr", "cvr", "kl", "vendi", "distinct_2", "self_bleu", "compression", "seconds", "reward_calls")


@dataclass(frozen=True)
class Way:
    """A way to better texts: an algorithm that tunes, a choice among several texts, or one after the other."""

    name: str
    algorithm: Algorithm
    written: int

    @staticmethod
    def read(name: str) -> "Way":
        """`ppo`, `best-of-16` or `ppo+best-of-4`.

        Raises:
            InputError: no such way.
        """
        found = _WAY.fullmatch(name)
        if not name or found is None or name.endswith("+"):
            raise InputError(f"--writers: no way '{name}'; known are {', '.join(_TUNED)}, best-of-16, ppo+best-of-4")
        algorithm = cast(Algorithm, found[1] or "best-of-n")
        return Way(name, algorithm, int(found[2] or 1))


@dataclass(frozen=True)
class WritersOptions(StudyOptions):
    """Options of `copybandit compare --writers`."""

    writers: str = ""
    """Ways to tune the writer, separated by commas: raft, ppo, rloo, grpo, supervised, best-of-16, or one after the
    other such as ppo+best-of-4."""
    calls: int = 15_360
    """Texts that each way may have scored, at most."""
    seeds: int = 5
    """Independent repetitions, each with its own world, log, effect model and writer; counted from --seed."""
    choosing: Flat[ChoosingOptions] = field(default_factory=ChoosingOptions)
    tuners: Flat[TunerSettings] = field(default_factory=TunerSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_below(self, seeds=1, calls=1)

    def ways(self) -> list[Way]:
        """The ways asked for.

        Raises:
            InputError: there is no such way, or none is named.
        """
        return [Way.read(name.strip()) for name in self.writers.split(",") if name.strip()] or [Way.read("")]

    def idle(self) -> Idle:
        """Settings of ways that are not asked for."""
        ways, why = self.ways(), f"with --writers {self.writers}"
        found = {**super().idle(), **idle_tuners({way.algorithm for way in ways}, why)}
        found |= dict.fromkeys(("raft.texts", "ppo.updates", "rloo.updates", "grpo.updates"), "beside --calls")
        if all(way.written == 1 and way.algorithm != "raft" for way in ways):
            found["keep-diversity"] = f"{why}, which picks nothing"
        return found


def run_writers(options: WritersOptions) -> Path:
    """`copybandit compare --writers WAYS`: leaves a row a seed and a way, and their means.

    Raises:
        InputError: a way or an option is no good.
    """
    run = Run("compare", options)
    writers = compare_writers(options, run)
    run.finish({"command": "compare", "writers": writers})
    show(writers, run)
    write_report(run.path)
    return run.path


def compare_writers(options: WritersOptions, run: Run) -> dict[str, dict[str, Interval]]:
    """Figures by way of tuning, against the untuned writer: `reward`, `ctr`, `cvr` and `vendi` relative to it.

    Args:
        options: ways, seeds, and what all ways share.
        run: where `writers.csv` goes, a row a seed and a way, as they come.
    """
    ways, first = options.ways(), options.run.seed
    rows: list[dict[str, object]] = []
    for seed in range(first, first + options.seeds):
        options = dataclasses.replace(options, run=dataclasses.replace(options.run, seed=seed))
        study = make_study(options, run)
        warm_start_stage(study, options, run)
        start, base = own_weights(study.writer), {}
        untuned = write_for(study.writer, study.asked, options.writing.samples, seed + 1)
        for way in [Way("untuned", "supervised", 1), *ways]:
            load_weights(study.writer, start)
            found = _figures(study, options, way, start, untuned, run)
            base = base or found
            relative = {name: found[name] / base[name] - 1 for name in ("reward", "ctr", "cvr")}
            rows.append(
                {"seed": seed, "writer": way.name, **found, **relative, "vendi": found["vendi"] / base["vendi"]}
            )
            write_table(run.path / "writers.csv", pd.DataFrame(rows))
    return _over_seeds(pd.DataFrame(rows))


def _figures(
    study: Study,
    options: WritersOptions,
    way: Way,
    start: dict[str, torch.Tensor],
    untuned: Sequence[Creative],
    run: Run,
) -> dict[str, float]:
    """Tunes by one way and judges what it writes; the reward's statistics are those of the untuned writer."""
    scored = ScoredTexts(frozen_reward(study, options), study.asked, options.choosing.keep_diversity)
    chosen_among = len(study.asked) * options.writing.samples * way.written if way.written > 1 else 0
    tuner, left = options.tuners.tuner(way.algorithm), options.calls - chosen_among
    began = time.perf_counter()
    if left > 0:
        tuner = tuner.within(left, len(study.asked))
        tuning_stage(study, tuner, scored, run, seed=options.run.seed, name=way.name)
    with run.stage(f"texts of {way.name}"):
        texts, choice = final_texts(study, options, way.written, scored, untuned)
        seconds = time.perf_counter() - began
        kl = kl_between(study.writer, start, study.asked, options.run.seed + 6) + choice_kl(choice["among"])
    return _judged(study, options, texts) | {"kl": kl, "seconds": seconds, "reward_calls": len(scored)}


def _judged(study: Study, options: WritersOptions, texts: Sequence[Creative]) -> dict[str, float]:
    verdict, words = judge(study.world, texts), [tokens(creative.text) for creative in texts]
    ctr, cvr = verdict.total_ctr(), verdict.total_cvr()
    return {
        "reward": ctr * (1 + options.conversion_value * cvr),
        "ctr": ctr,
        "cvr": cvr,
        "vendi": vendi_of(texts),
        "distinct_2": distinct(words, 2),
        "self_bleu": self_bleu(words),
        "compression": compression_ratio([creative.text for creative in texts]),
    }


def _over_seeds(rows: pd.DataFrame) -> dict[str, dict[str, Interval]]:
    """Means over seeds with their intervals, the best gold reward first."""
    rng, found = np.random.default_rng(0), {}
    for name, part in rows.groupby("writer", sort=False):
        found[str(name)] = {figure: _mean(part[[figure]].to_numpy(np.float64), rng) for figure in FIGURES}
    return dict(sorted(found.items(), key=lambda item: -item[1]["reward"]["mean"]))


def _mean(values: Array, rng: np.random.Generator) -> Interval:
    return bootstrap(values, lambda sums: sums[..., 0] / len(values), rng)


def show(writers: dict[str, dict[str, Interval]], run: Run) -> None:
    """The table on the terminal."""
    heads = ("gold reward", "CTR", "CVR", "KL", "Vendi", "distinct-2", "self-BLEU", "compression", "seconds", "calls")
    run.say(f"{'writer':<18}" + "".join(f"{head:>12}" for head in heads))
    for name, row in writers.items():
        means = [row[figure]["mean"] for figure in FIGURES]
        cells = [f"{value:+.1%}" for value in means[:3]] + [f"{value:.2f}" for value in means[3:8]]
        cells += [f"{value:,.0f}" for value in means[8:]]
        run.say(f"{name:<18}" + "".join(f"{cell:>12}" for cell in cells))
