"""What does the built-in writer know before it sees a catalog? Makes its corpus, and pretrains it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..policies.base.corpus import HEADLINES, Line, corpus, read_taught, write_taught
from ..policies.base.keep import save_base
from ..policies.base.pretrain import PretrainConfig, fingerprint, pretrain
from ..policies.base.taught import EACH, learn, teach
from ..policies.base.words_files import words
from ..policies.tuning.training_state import StateDirectory, short_hash
from ..policies.writer.placeholders import to_template
from ..policies.writer.word_pairs import WordPairs
from ..policies.writer.writer import Writer, WriterConfig
from ..simulation.data.errors import InputError
from ..simulation.data.files import write_whole
from .harness.config import decisive, flat
from .harness.files import own_name
from .harness.options import Common, Device, Flat, Idle, ResumeOptions, RunOptions, refuse_below, settings_of
from .harness.run import Run, Stage

CORPUS, TAUGHT = "corpus.jsonl.gz", "taught.jsonl.gz"
STATES = "states"
BASE = "base"


@dataclass(frozen=True)
class SizeOptions:
    """The base's sizes."""

    layers: int = 4
    width: int = 192
    heads: int = 6
    vocabulary: int = 8192
    """Tokens of its BPE."""

    @property
    def writer(self) -> WriterConfig:
        """A writer of these sizes."""
        return WriterConfig(layers=self.layers, width=self.width, heads=self.heads, vocabulary=self.vocabulary)


@dataclass(frozen=True)
class PretrainOptions:
    """Options of `copybandit pretrain`."""

    run: Flat[RunOptions] = field(default_factory=RunOptions)
    resume: Flat[ResumeOptions] = field(default_factory=ResumeOptions)
    device: Device = "auto"
    products: Common[int] = 12_000
    """Products that are invented."""
    lines_each: int = 24
    """Lines for a product: two thirds of the grammar, one third phrases of the built-in shop."""
    taught: Common[Path | None] = None
    """Lines that a language model wrote, as `--teacher` leaves them; they are read beside the grammar's."""
    teacher: Common[str | None] = None
    """Instead: a pretrained language model, by name or directory, that learns what copy is and writes such lines."""
    teacher_products: int = 2000
    """Products that the teacher writes for."""
    size: SizeOptions = field(default_factory=SizeOptions)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)

    def __post_init__(self) -> None:
        refuse_below(self, products=1, lines_each=1, teacher_products=1)

    def idle(self) -> Idle:
        """Without a teacher nobody writes."""
        return {"teacher-products": "without --teacher"} if self.teacher is None else {}


def run_pretrain(options: PretrainOptions) -> Path:
    """`copybandit pretrain`: leaves the corpus, and base/: weights, tokenizer and a card.

    Raises:
        InputError: the file of taught lines is none of ours, the teacher cannot be loaded, or what is to be resumed
            does not go with the options.
    """
    if options.taught is not None and options.teacher is not None:
        raise InputError("--taught and --teacher exclude each other: give the lines, or who writes them")
    taught = read_taught(options.taught) if options.taught is not None else []
    run = Run("pretrain", options)
    taught = _teach(options, run) if options.teacher is not None else taught
    lines = _corpus(options, run, taught)
    sizes = options.size.writer
    config = options.pretrain
    states = StateDirectory(
        run.path / STATES, {"corpus": fingerprint(lines), "settings": short_hash(_decisive(options))}
    )
    looks = _looks_before(run, states, config.batch) if run.resumed else []
    with run.stage("pretraining") as stage:
        writer = pretrain(
            lines,
            sizes,
            config,
            seed=options.run.seed,
            device=run.device,
            states=states,
            told=lambda step, figures: _look(run, stage, looks, step * config.batch, figures),
        )
    writer.word_pairs = WordPairs.of(to_template(line.text, line.prompt) for line in lines)
    summary = _summary(options, lines, writer, looks) | {"taught": len(taught)}
    save_base(writer, run.path / BASE, _command(options), summary)
    run.finish({"command": "pretrain", **summary})
    return run.path


def _teach(options: PretrainOptions, run: Run) -> list[Line]:
    """What the teacher wrote: it learns once, and goes on writing where it was broken off."""
    path = run.path / TAUGHT
    with run.stage("teacher learns"):
        teacher = learn(options.teacher or "", options.run.seed, run.path / "teacher")
    written, kept = 0, 0

    def told(asked: int, good: int) -> None:
        nonlocal written, kept
        written, kept = written + asked, kept + good
        stage.advance(asked, f"{kept:,} of {written:,} lines kept")

    with run.stage("teacher writes", total=options.teacher_products * EACH) as stage:
        teach(teacher, path, products=options.teacher_products, seed=options.run.seed, progress=told)
    return read_taught(path)


def _corpus(options: PretrainOptions, run: Run, taught: list[Line]) -> list[Line]:
    """Made once: a resumed run reads what it wrote."""
    path = run.path / CORPUS
    if not path.is_file():
        with run.stage("corpus") as stage:
            made = corpus(options.products, options.lines_each, options.run.seed, taught)
            write_whole(path, lambda file: write_taught(file, (line._asdict() for line in made)))
            stage.advance(0, f"{len(made):,} lines")
    return read_taught(path)


def _decisive(options: PretrainOptions) -> dict[str, Any]:
    """What decides the weights, beside the corpus."""
    return {"seed": options.run.seed, "size": asdict(options.size), "pretrain": asdict(options.pretrain)}


def _looks_before(run: Run, states: StateDirectory, batch: int) -> list[dict[str, float]]:
    """What a broken-off run recorded up to the state that this one goes on from."""
    state = states.latest()
    recorded = run.rewind(state.step * batch if state is not None else -1)
    return [
        {"lines": int(str(lines)), **dict(zip(part["name"], part["value"], strict=True))}
        for lines, part in recorded.groupby("step")
    ]


def _look(run: Run, stage: Stage, looks: list[dict[str, float]], lines: int, figures: dict[str, float]) -> None:
    looks.append({"lines": lines, **figures})
    run.record(lines, figures)
    stage.advance(0, f"{lines:,} lines, held-out {figures['held_out']:.3f} nats a token")


def _command(options: PretrainOptions) -> str:
    """The command that makes the same base: what differs from the defaults."""
    defaults, here = flat(decisive(PretrainOptions())), flat(decisive(options))
    names = {".".join(setting.path): setting.name for setting in settings_of(PretrainOptions)}
    given = [
        f"--{names[path]} {own_name(value)}"
        for path, value in here.items()
        if value != defaults.get(path) and path != "run.quick"
    ]
    return " ".join(["copybandit pretrain", *given])


def _summary(
    options: PretrainOptions, lines: list[Line], writer: Writer, looks: list[dict[str, float]]
) -> dict[str, Any]:
    return {
        "lines": len(lines),
        "products": options.products,
        "trades": len({family["trade"] for family in words("trades")}),
        "headlines": HEADLINES,
        "corpus": fingerprint(lines),
        "weights": writer.fingerprint(),
        "parameters": sum(weight.numel() for weight in writer.model.parameters()),
        "seed": options.run.seed,
        "held_out": looks[-1]["held_out"] if looks else None,
    }
