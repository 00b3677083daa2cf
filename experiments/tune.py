"""What does tuning the writer give? Warm start, tuning by the effect model's word, and the verdict of the gold."""

from pathlib import Path

from .analysis.loop.story import last_words
from .analysis.report.page import write_report
from .harness.run import Run
from .study.begin import make_study
from .writing.options import TuneOptions
from .writing.tune_writer import tune_writer


def run_tune(options: TuneOptions) -> Path:
    """`copybandit tune`: tunes the writer and leaves checkpoint, learning curves and report."""
    run = Run("tune", options)
    study = make_study(options, run, validation=options.watch.validation_impressions, budget=options.private.budget())
    tuning = tune_writer(study, options, run)
    run.finish({"command": "tune", **tuning.summary})
    write_report(run.path)
    run.say(*last_words(run.path))
    return run.path
