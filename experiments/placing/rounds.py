"""Closed-loop rounds: log, learn, tune and place again and again, while tastes move. Does it pay to go on learning?

Two lines of creatives are shown to the same visitors. One is rewritten every round by a writer tuned anew on what was
just logged; the other goes on showing what the first round's writer wrote. The bandits of both go on learning, so the
difference is what rewriting brings beyond placing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from ...agents.agent import PlacementAgent
from ...agents.state import save_agent
from ...policies.writer.checkpoint import CHECKPOINT, copy_checkpoint
from ...simulation.data.catalog import Creative
from ...simulation.logs import count_uniform
from ...simulation.user_log import log_users_uniform
from ...simulation.world import World
from ..analysis.report.page import write_report
from ..analysis.statistics.bootstrap import Interval, bootstrap, lift_of_ratios
from ..harness.files import write_table
from ..harness.run import Run
from ..study.pictures import beside_pictures
from ..study.shop import learn_effects, simulated_log
from ..study.study import Study
from ..writing.options import TuneOptions
from ..writing.tune_writer import Tuning, tune_writer
from ..writing.verdict import judge, lifts
from .options import LoopOptions
from .placement import Placement, competing, new_agent, place_on

LINES = ("retrained", "first texts")
RETIRED = 0.5
"""Of the creatives on show when new ones enter, the share that leaves: those that earned least a trial."""


@dataclass
class Lineup:
    """Creatives on show in a world of their own, and the agent that goes on learning where they belong."""

    world: World
    agent: PlacementAgent
    arms: pd.DataFrame
    """One row a creative, as arms.csv holds it; `retired` is the round in which it left, 0 while it is on show."""
    placements: list[Placement] = field(default_factory=list)

    @classmethod
    def start(cls, world: World, texts: Sequence[Creative], options: LoopOptions) -> "Lineup":
        """Puts the first round's texts on show; the world is the gold's, with none but these creatives."""
        world = replace(world, creatives=[])
        world.publish(texts)
        return cls(world, new_agent(world, options.placing.agent, options), _rows(texts, 1))

    @property
    def on_show(self) -> np.ndarray:
        """[K] arms that have not retired."""
        return np.flatnonzero(self.arms["retired"] == 0)

    def rewrite(self, texts: Sequence[Creative], number: int) -> None:
        """New texts enter as new arms, each believing what is known of the one before it; stale ones retire.

        Args:
            texts: at most one for each product and audience; those that are on show already stay.
            number: of the round.
        """
        on_show = self.on_show
        shown = {self.world.creatives[arm]: arm for arm in on_show}
        earned = self.arms["earned"] / self.arms["trials"].clip(lower=1)
        leaving = [
            arm for arm in sorted(on_show, key=lambda arm: earned[arm]) if self.world.creatives[arm] not in texts
        ]
        leaving = leaving[: int(RETIRED * len(on_show))]
        self.arms.loc[leaving, "retired"] = number
        self.agent.remove_arms(torch.tensor(leaving, dtype=torch.int64, device=self.world.device))
        latest = {(c.product_id, c.audience): arm for arm, c in enumerate(self.world.creatives)}
        # What had no text fit to be published in the first round has no place in either line.
        fresh = [text for text in texts if text not in shown and (text.product_id, text.audience) in latest]
        before = [latest[text.product_id, text.audience] for text in fresh]
        self.world.publish(fresh)
        self.agent.add_successors(torch.tensor(before, dtype=torch.int64, device=self.world.device))
        self.arms = pd.concat([self.arms, _rows(fresh, number)], ignore_index=True)

    def place(self, seed: int, hours: float, options: LoopOptions, run: Run, name: str) -> None:
        """Shows what is on show to the visitors that a seed and an hour bring."""
        self.world.reset(seed, hours)
        with run.stage(f"placement, {name}", total=options.placing.place_impressions) as stage:
            candidates = torch.tensor(self.on_show, device=self.world.device)
            placement = place_on(self.world, candidates, self.agent, options, stage)
        self.arms[["earned", "trials"]] += placement.by_arm
        self.placements.append(placement)


def _rows(texts: Sequence[Creative], number: int) -> pd.DataFrame:
    facts = [(c.product_id, c.audience, c.text, number, 0, 0.0, 0.0) for c in texts]
    return pd.DataFrame(facts, columns=["product_id", "audience", "text", "entered", "retired", "earned", "trials"])


def run_rounds(study: Study, options: LoopOptions, run: Run) -> None:
    """Runs all rounds; each leaves a tuning run of its own in `round-N/`, all of them rounds.csv and arms.csv.

    Args:
        study: of the first round; its world's clock stands where the first log ended.
        options: sizes and rates, the same in every round.
        run: where all goes.
    """
    rounds, hours = options.rounds.rounds, options.rounds.round_hours
    lines: dict[str, Lineup] = {}
    told: list[dict[str, Any]] = []
    warm = None
    for number in range(1, rounds + 1):
        part = _part(options, run, number)
        run.say(f"round {number} of {rounds}")
        if number > 1:
            study = _learn_again(study, lines[LINES[0]], options, number, hours, part)
        tuning = tune_writer(study, options, part, warm)
        warm = tuning.warm
        part.finish(tuning.summary)
        write_report(part.path)
        texts = competing(study, tuning.tuned, options)
        if number == 1:
            lines = {name: Lineup.start(study.world, texts, options) for name in LINES}
        else:
            lines[LINES[0]].rewrite(texts, number)
        start = study.world.traffic.hours
        now = _worth_of_texts(study, tuning, lines, options)
        for name, line in lines.items():
            line.place(options.run.seed + 17 + number, start, options, run, name)
        hours_of = [round(hour, 3) for hour in (start, study.world.traffic.hours)]
        told.append({"round": number, "hours": hours_of, **now, **_earned(lines, options)})
        run.record(number, {f"reward/{name}": told[-1]["lines"][name]["reward"]["mean"] for name in LINES})
    _save(run, told, lines[LINES[0]])
    copy_checkpoint(run.path / f"round-{rounds}" / CHECKPOINT, run.path / CHECKPOINT)
    run.finish({"command": "loop", "rounds": told})


def _part(options: LoopOptions, run: Run, number: int) -> Run:
    """The run of one round's tuning, in a directory of its own."""
    settings: dict[str, Any] = {f.name: getattr(options, f.name) for f in fields(TuneOptions)}
    settings["run"] = replace(options.run, out=run.path / f"round-{number}")
    return Run("tune", TuneOptions(**settings))


def _learn_again(study: Study, line: Lineup, options: LoopOptions, number: int, hours: float, run: Run) -> Study:
    """The study with effect models of a new log: reference ads and what is on show, placed at random."""
    world = replace(study.world, creatives=[])
    ads = beside_pictures(study.catalog, study.catalog.ads, options.run.seed + 25)
    shown = list(dict.fromkeys([*ads, *(line.world.creatives[arm] for arm in line.on_show)]))
    logs = simulated_log(
        world,
        shown,
        options,
        run,
        options.run.seed + 5 + 1000 * number,
        hours,
        options.watch.validation_impressions,
        count_uniform if study.budget is None else log_users_uniform,
    )
    parts = options, run, study.reader, study.pictures, study.budget
    effect, metrics, validation = learn_effects(study.catalog, *logs, *parts)
    return replace(study, effect=effect, effect_metrics=metrics, validation=validation)


def _worth_of_texts(
    study: Study, tuning: Tuning, lines: dict[str, Lineup], options: LoopOptions
) -> dict[str, Interval]:
    """Gold reward of the round's texts, over the untuned writer's and over the first round's, with today's tastes."""
    found = {"tuning": tuning.summary["lift"]["reward"]}
    newest, first = (judge(study.world, _newest(lines[name])).cells for name in LINES)
    rng = np.random.default_rng(options.run.seed)
    return found | {"texts": lifts(newest, first, options.conversion_value, rng)["reward"]}


def _newest(line: Lineup) -> list[Creative]:
    """The text that entered last for each product and audience."""
    return list({(c.product_id, c.audience): c for c in line.world.creatives}.values())


def _earned(lines: dict[str, Lineup], options: LoopOptions) -> dict[str, Any]:
    """What each line earned in its last placement, and the gain of the first over the second, visitor by visitor."""
    rng = np.random.default_rng(options.run.seed)
    latest = {name: line.placements[-1] for name, line in lines.items()}
    number = len(lines[LINES[0]].placements)
    figures = {
        name: {
            "reward": latest[name].interval(rng),
            "on_show": len(line.on_show),
            "entered": int((line.arms["entered"] == number).sum()),
            "retired": int((line.arms["retired"] == number).sum()),
        }
        for name, line in lines.items()
    }
    both = np.concatenate([latest[name].by_user for name in LINES], axis=1)
    return {"lines": figures, "gain": bootstrap(both, lift_of_ratios, rng)}


def _save(run: Run, told: Sequence[dict[str, Any]], line: Lineup) -> None:
    rows = [
        {"round": row["round"], "line": name, "from_hour": row["hours"][0], "to_hour": row["hours"][1]}
        | {key: value for key, value in facts.items() if key != "reward"}
        | {f"reward_{key}": value for key, value in facts["reward"].items()}
        for row in told
        for name, facts in row["lines"].items()
    ]
    write_table(run.path / "rounds.csv", pd.DataFrame(rows))
    write_table(run.path / "arms.csv", line.arms, index_label="arm")
    save_agent(line.agent, run.path / "placement")
