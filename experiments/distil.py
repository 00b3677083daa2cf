"""Can a small writer do it? A student learns what a run's writer writes, and the choice among it, for most of the run's
products and for some that do not exist.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..policies.base.corpus import Line
from ..policies.base.distil import DistilConfig, Lessons, copy_lines, distil, student_of
from ..policies.reward.reward import Reward
from ..policies.reward.scored_texts import ScoredTexts
from ..policies.reward.select import write_more
from ..policies.writer.checkpoint import CHECKPOINT, check_checkpoint, save_checkpoint
from ..policies.writer.prompts import prompt
from ..policies.writer.writer import Writer, load_writer
from ..simulation.data.catalog import Creative
from ..simulation.data.errors import InputError
from .analysis.drawing.formats import bracketed
from .harness.config import read_config
from .harness.files import own_name, read_json
from .harness.options import Common, Device, Flat, RunOptions, refuse_below
from .harness.run import Run
from .placing.options import LoopOptions
from .study.begin import make_study
from .study.imagined import Asked, imagined
from .study.study import Study, write_for
from .writing.options import TuneOptions
from .writing.tuning import frozen_reward, warm_start_stage
from .writing.verdict import judge, lifts, vendi_of

COMMANDS: dict[str, type[TuneOptions]] = {"loop": LoopOptions, "tune": TuneOptions}
JUDGED = 8
"""Texts a prompt of products that were held out, from each writer."""


@dataclass(frozen=True)
class DistilOptions:
    """Options of `copybandit distil`."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    teacher: Common[Path | None] = None
    """Directory of a finished `loop` or `tune` run, whose writer teaches; its world and effect model are made again."""
    device: Device = "auto"
    """Where tensors live; auto takes a CUDA device when there is one."""
    texts: Common[int] = 16
    """Texts a prompt that the teacher writes."""
    kept: Common[int] = 2
    """Of these, those that the reward chooses, as diverse together as the untuned writer's."""
    imagined: int = 5
    """Catalogs of products that do not exist, each as long as what is taught of the run's, that the teacher writes for
    as well; one that learned from its catalog alone (--model built-in) can write for no other."""
    hold_out: float = 0.2
    """Share of the products that nothing is taught of, 0.5 at most: on them the student is judged."""
    student: DistilConfig = field(default_factory=DistilConfig)

    def __post_init__(self) -> None:
        refuse_below(self, texts=1, kept=1, imagined=0)
        if self.kept > self.texts:
            raise InputError(f"--kept {self.kept}: more than the {self.texts} --texts that are chosen from")
        if not 0 < self.hold_out <= 0.5:
            raise InputError(f"--hold-out {self.hold_out}: give a number above 0, of 0.5 at most")


def run_distil(options: DistilOptions) -> Path:
    """`copybandit distil --teacher RUN`: leaves the student's checkpoint, and what it kept of the teacher's gain.

    Raises:
        InputError: RUN is no finished `loop` or `tune` of a shop, or its writer has no student.
    """
    if options.teacher is None:
        raise InputError("give --teacher, the directory of a finished loop or tune run whose writer teaches")
    theirs = _options_of(options.teacher, options.device)
    teacher = load_writer(str(options.teacher / CHECKPOINT))
    if teacher.request is not None:
        raise InputError(f"{options.teacher}: its writer is asked in a chat, and has no student; give one that is not")
    run = Run("distil", options)
    study = _study(theirs, run)
    teacher.model.to(run.device)
    taught, unseen = _held_out(study, options.hold_out)
    reward = frozen_reward(study, theirs)
    lessons = _lessons(study, reward, teacher, taught, theirs, options, run)
    student = student_of(teacher, lessons, options.student, options.run.seed)
    copy, *rest = (options.student.batch * steps for steps in lessons.steps(options.student))
    with run.stage("student learns", total=copy + sum(rest)) as stage:
        told = lambda lines, loss: stage.advance(lines, f"loss {loss:.2f} nats a token")  # noqa: E731
        loss = distil(student, teacher, lessons, options.student, seed=options.run.seed, told=told)
    with run.stage("verdict"):
        found = _verdict(study, reward, {"teacher": teacher, "student": student}, unseen, theirs, options)
    read = {"copy": copy, "written": len(lessons.written), "chosen": len(lessons.chosen)}
    size = {name: w.model.num_parameters() for name, w in (("teacher", teacher), ("student", student))}
    found |= {"loss": loss, "taught": len(taught), "unseen": len(unseen), "read": read, "parameters": size}
    facts = {"taught by the writer of": own_name(options.teacher), "student": asdict(options.student)}
    figures = {
        f"gold reward over the untuned writer's, {name}": bracketed(lift["reward"], "+.1%")
        for name, lift in found["over_untuned"].items()
    }
    save_checkpoint(student, run.path / CHECKPOINT, prompt(*study.asked[0]), facts, figures)
    run.finish({"command": "distil", "student": found})
    _show(run, found)
    return run.path


def _options_of(folder: Path, device: Device) -> TuneOptions:
    """What the teacher's run was told."""
    check_checkpoint(folder / CHECKPOINT)
    command = read_json(folder / "environment.json").get("command") if (folder / "environment.json").is_file() else None
    if command not in COMMANDS:
        raise InputError(f"{folder}: not a run of loop or tune; give the directory of one that is finished")
    theirs = read_config(folder / "config.yaml", COMMANDS[command]())
    if theirs.data.archive is not None:
        raise InputError(f"{folder}: wrote headlines for an archive; distil takes a run that wrote for a catalog")
    if isinstance(theirs, LoopOptions) and theirs.rounds.rounds > 1:
        raise InputError(f"{folder}: has --rounds, each with an effect model of its own; give a run of one round")
    return replace(theirs, device=device)


def _study(theirs: TuneOptions, run: Run) -> Study:
    """What the teacher's run was about, made again; its writer is the untuned one."""
    study = make_study(theirs, run, budget=theirs.private.budget())
    if study.pictures is not None:
        raise InputError("the run's texts stand beside pictures; distil takes a run with --images none")
    warm_start_stage(study, theirs, run)
    return study


def _held_out(study: Study, share: float) -> tuple[Asked, Asked]:
    """Prompts of products that are taught, and of those spread over the catalog that are not."""
    products = list(dict.fromkeys(product.product_id for product, _ in study.asked))
    each = round(1 / share)
    away = set(products[each - 1 :: each]) or {products[-1]}
    taught = [pair for pair in study.asked if pair[0].product_id not in away]
    if not taught:
        raise InputError("a run about one product leaves none to judge the student by; give one with more")
    return taught, [pair for pair in study.asked if pair[0].product_id in away]


def _lessons(
    study: Study, reward: Reward, teacher: Writer, taught: Asked, theirs: TuneOptions, options: DistilOptions, run: Run
) -> Lessons:
    """What the student reads: lines of the corpus, all that the teacher writes, and the best of that."""
    seed, english = options.run.seed, teacher.has_placeholders
    copy, catalogs = [], [(taught, reward)]
    if not english and (options.imagined or options.student.read):
        run.say(
            "  --imagined, --student.read: the teacher learned from its catalog alone, and its student from that alone"
        )
    elif english:
        with run.stage("corpus"):
            copy = copy_lines(options.student.read, seed + 4)
        catalogs += itertools.islice(imagined(study, taught, reward, theirs.reward, seed + 5), options.imagined)
    written, chosen = [], []
    with run.stage("teacher writes", total=len(catalogs) * len(taught) * options.texts) as stage:
        for number, (asked, judge) in enumerate(catalogs):
            untuned = write_for(study.writer, asked, options.kept, seed + 1 + 10 * number)
            lines, best = _lines(judge, teacher, asked, untuned, options, number)
            written += lines
            chosen += best
            stage.advance(len(asked) * options.texts)
    return Lessons(copy, written, chosen)


def _lines(
    reward: Reward, teacher: Writer, asked: Asked, untuned: Sequence[Creative], options: DistilOptions, number: int
) -> tuple[list[Line], list[Line]]:
    """What the teacher writes that passes every check, all of it where none does for a prompt; and the best, as diverse
    as the untuned writer's. Each with its prompt.
    """
    scored = ScoredTexts(reward, asked)
    write_more(teacher, asked, options.texts, scored, torch.Generator().manual_seed(options.run.seed + 2 + 10 * number))
    prompts = [prompt(*pair) for pair in asked]
    lines = [Line(prompts[i], creative.text) for i, creative in zip(scored.group.tolist(), scored.texts, strict=True)]
    best = [lines[i] for i in scored.best(options.kept, untuned).rows.tolist()]
    sound = (scored.failures == 0) & (scored.refused == 0)
    written = itertools.compress(lines, (sound | ~_any(sound, scored.group)).tolist())
    return [line for line in written if line.text], [line for line in best if line.text]


def _any(true: Tensor, group: Tensor) -> Tensor:
    """[n] bool, whether any of a row's group is true."""
    return (group[true].bincount(minlength=int(group.max()) + 1) > 0)[group]


def _verdict(
    study: Study, reward: Reward, writers: dict[str, Writer], unseen: Asked, theirs: TuneOptions, options: DistilOptions
) -> dict[str, Any]:
    """What the texts for products that were held out are worth over the untuned writer's, as each writer writes them;
    and the teacher's with the choice, which is what the student was taught.
    """
    seed, seconds = options.run.seed + 3, {}
    texts = {"untuned": write_for(study.writer, unseen, JUDGED, seed)}
    for name, writer in writers.items():
        began = time.process_time()
        texts[name] = write_for(writer, unseen, JUDGED, seed)
        seconds[name] = (time.process_time() - began) / len(texts[name])
    each = max(1, options.texts // options.kept)
    texts[f"teacher, best of {each}"] = _best_of(reward, writers["teacher"], unseen, each, texts["untuned"], seed + 1)
    verdicts = {name: judge(study.world, part) for name, part in texts.items()}
    rng, value = np.random.default_rng(options.run.seed), theirs.conversion_value
    cells = verdicts["untuned"].cells
    lift = {name: lifts(v.cells, cells, value, rng) for name, v in verdicts.items() if name != "untuned"}
    gain = {name: part["reward"]["mean"] for name, part in lift.items()}
    english = study.world.reader.judges_language
    return {
        "over_untuned": lift,
        "kept_of_gain": {name: gain["student"] / part for name, part in gain.items() if part > 0 and name != "student"},
        "vendi": {name: vendi_of(part) for name, part in texts.items()},
        "readable": {name: _readable(study, part) for name, part in texts.items()} if english else None,
        "seconds_a_text": seconds,
    }


def _best_of(
    reward: Reward, writer: Writer, asked: Asked, each: int, untuned: Sequence[Creative], seed: int
) -> list[Creative]:
    """As many texts as the others wrote, each the choice among so many."""
    scored = ScoredTexts(reward, asked)
    write_more(writer, asked, JUDGED * each, scored, torch.Generator().manual_seed(seed))
    return [scored.texts[i] for i in scored.best(JUDGED, untuned).rows.tolist()]


def _readable(study: Study, texts: Sequence[Creative]) -> float:
    return float((study.world.reader.read(texts).garbled < 0.5).float().mean())


def _show(run: Run, found: dict[str, Any]) -> None:
    size = found["parameters"]
    run.say(f"  the student has {size['student']:,} weights, the teacher {size['teacher']:,}")
    run.say(f"On {found['unseen']} prompts of products that nothing was taught of, over the untuned writer's texts:")
    for name, lift in found["over_untuned"].items():
        readable = "" if found["readable"] is None else f"   readable {found['readable'][name]:.1%}"
        seconds = found["seconds_a_text"].get(name)
        took = "" if seconds is None else f"   {1000 * seconds:.1f} ms a text"
        diverse = f"   Vendi {found['vendi'][name]:.0f}"
        run.say(f"  {name:<22} gold reward {bracketed(lift['reward'], '+.1%')}{readable}{diverse}{took}")
