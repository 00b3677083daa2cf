"""The stages in which the writer learns: its warm start, and tuning; both go on from what a broken-off run left."""

import torch

from ...policies.learning.memory import free_bytes, tuning_bytes
from ...policies.learning.rates import is_large
from ...policies.learning.warm_start import WarmStartConfig, warm_start
from ...policies.reward.reward import Reward
from ...policies.reward.scored_texts import ScoredTexts
from ...policies.tuning.contract import OnUpdate, Tuner, TuningResult, Update
from ...policies.tuning.training_state import StateDirectory, TuningState, short_hash
from ...policies.writer.prompts import prompt
from ...policies.writer.writer import WriterConfig, load_weights, own_weights
from ...simulation.data.errors import InputError, out_of_memory
from ..harness.config import decisive
from ..harness.run import Run
from ..study.options import StudyOptions
from ..study.study import Study, sample_prompts, write_for
from .options import TuneOptions
from .watch import Watch


def warm_start_stage(study: Study, options: StudyOptions, run: Run) -> float | None:
    """Fine-tunes the writer on the catalog's ads; the loss that it ends with, in nats a token.

    None for one that writes placeholders: it has read copy, and a few hundred ads of other words would garble its own.
    """
    if study.writer.has_placeholders:
        usual, sizes = WriterConfig(), ("layers", "width", "heads", "vocabulary")
        if any(getattr(options.writer, size) != getattr(usual, size) for size in sizes):
            run.say("  --writer: the base has its own size; --model built-in takes another")
        if options.data.ads is not None or options.warm_start != WarmStartConfig():
            run.say(
                "  the base writes as it was pretrained to, not as your ads are: with thousands of them, --model "
                "built-in learns from them"
            )
        return None
    with run.stage("warm start", total=options.warm_start.lines) as stage:
        return warm_start(
            study.writer,
            study.catalog,
            study.audiences,
            options.warm_start,
            seed=options.run.seed,
            fit_to_say=study.fit_to_say(options.reward),
            progress=lambda lines, loss: stage.advance(lines, f"loss {loss:.2f} nats a token"),
        )


def say_memory(study: Study, options: TuneOptions, run: Run) -> None:
    """Of a large writer, what tuning it takes of memory and what is free."""
    writer, tuner = study.writer, options.tuner.tuner
    if not is_large(writer) or not tuner.updates:
        return
    asked = max(map(len, writer.prompt_ids([prompt(*pair) for pair in study.asked])))
    tokens, adapted = asked + writer.config.max_new_tokens, options.tuner.adapter.kind != "none"
    needed = tuning_bytes(writer, tuner.at_once, tokens, adapted=adapted) / 1e9
    weights, free = writer.model.num_parameters() / 1e6, free_bytes(writer.device) / 1e9
    run.say(
        f"  {options.writing.model} has {weights:,.0f} million weights: tuning takes about {needed:.0f} GB of memory, "
        f"and {free:.0f} GB are free" + ("" if needed < free else "; learn from fewer texts at once")
    )


def warm_started(study: Study, options: TuneOptions, run: Run) -> float | None:
    """The same, unless a broken-off run left its weights."""
    states = StateDirectory(run.path / "state" / "warm start", _identity(study, options))
    state = states.latest() if run.resumed else None
    if state is not None:
        load_weights(study.writer, state.part("policy"))
        return state.facts["loss"]
    loss = warm_start_stage(study, options, run)
    weights = {f"policy.{name}": weight for name, weight in own_weights(study.writer).items()}
    states.save(TuningState(0, weights, {"loss": loss}))
    return loss


PILOT_TEXTS = 4
"""Texts for each prompt whose texts by the untuned writer freeze the reward's statistics."""


def frozen_reward(study: Study, options: StudyOptions) -> Reward:
    """The reward, its statistics taken on the untuned writer's texts."""
    pilot = sample_prompts(study.asked, options.writing.scale_prompts, options.run.seed)
    texts = write_for(study.writer, pilot, PILOT_TEXTS, options.run.seed + 2)
    reward = study.reward(options.reward, texts)
    reward.freeze(texts, torch.arange(len(pilot)).repeat_interleave(PILOT_TEXTS))
    return reward


def tuning_stage(
    study: Study,
    tuner: Tuner,
    scored: ScoredTexts,
    run: Run,
    *,
    seed: int,
    name: str = "",
    on_update: OnUpdate = lambda update: None,
    resumed: TuningState | None = None,
) -> TuningResult:
    """Tunes the study's writer, whichever way; the stage is called by it, or by `name`."""
    if not tuner.updates:
        return TuningResult()
    with run.stage(name or tuner.label, total=tuner.updates) as stage:
        stage.advance(resumed.step if resumed else 0)

        def told(update: Update) -> str | None:
            stage.advance(1, update.note)
            return on_update(update)

        try:
            return tuner.tune(study.writer, study.asked, scored, seed=seed, on_update=told, resumed=resumed)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise InputError(_too_large(tuner)) from None


def _too_large(tuner: Tuner) -> str:
    option = f"--{tuner.label.lower()}"
    fewer = f"{option}.mini-batches higher" if tuner.on_policy else f"{option}.batch lower"
    return f"{tuner.label}: out of memory, learning from {tuner.at_once} texts at once; set {fewer}, and start anew"


def watched_tuning(study: Study, options: TuneOptions, run: Run, scored: ScoredTexts, watch: Watch) -> TuningResult:
    """Tunes under watch, from the start or from a saved state; what it did in this session, and why it ended early."""
    tuner, identity = options.tuner.tuner, _identity(study, options) | {"effect model": scored.fingerprint()}
    states = StateDirectory(run.path / "state" / "tuning", identity)
    state = states.latest() if run.resumed else None
    if run.resumed:
        recorded = run.rewind(state.step if state else -1)
        if state is not None:
            watch.restore(recorded, state.part("best"))
            scored.restore(state.part("scored"))
    for warning in states.damaged:
        run.say(f"  {warning}; the state before it is used")
    if state is None:
        watch.look(0)
    elif state.facts["stopped"] or state.step == tuner.updates:
        return TuningResult(stopped=state.facts["stopped"])
    after = lambda update: watch.after(update, states)  # noqa: E731
    return tuning_stage(study, tuner, scored, run, seed=options.run.seed, on_update=after, resumed=state)


def _identity(study: Study, options: TuneOptions) -> dict[str, str]:
    """What a saved state must have come from to be of use."""
    model, tokenizer = study.writer.model.config.to_diff_dict(), study.writer.tokenizer.get_vocab()
    for volatile in ("transformers_version", "_name_or_path"):
        model.pop(volatile, None)
    parts = {"model": model, "tokenizer": tokenizer, "catalog": (study.catalog.products, study.catalog.ads)}
    return {name: short_hash(part) for name, part in (parts | {"set of options": decisive(options)}).items()}
