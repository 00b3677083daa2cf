"""How well a fitted world agrees with what it was fitted to: the sections of a calibration."""

from typing import Any

from ...harness.files import load_table
from ..drawing.formats import number, number_range, percent
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by
from . import plots as fit_plots
from .tables import DECILE


def later_days(run: RunFiles) -> Section | None:
    """Log-loss, CTR by group and by decile, and delays, on days that the fit has not seen."""
    loss = run.summary.get("held_out")
    if run.summary.get("command") != "calibrate" or not loss:
        return None
    fit = load_table(run.path / "fit.csv", dtype={"group": str})
    delays = load_table(run.path / "delays.csv")
    gain = 1 - loss["log_loss"] / loss["log_loss_of_base_rate"]
    text = [
        "Fitted to the first four fifths of the log, held against the last. Log-loss "
        f"{number(loss['log_loss'], 5)}; of the base rate {number(loss['log_loss_of_base_rate'], 5)}.",
        f"{percent(run.summary['inside'], 0)} of the groups' fitted CTR lie inside the log's 95% intervals.",
    ]
    if "answer" in run.summary:
        text.append(f"In short, {run.summary['answer']}.")
    if "of_texts" in run.summary:
        text.append(f"Of copy {run.summary['of_texts']}.")
    alarms = [] if gain > 0 else ["On later rows the fit predicts clicks no better than the base rate does."]
    deciles, groups = fit[fit["by"] == DECILE], fit[fit["by"] != DECILE]
    drawn = [fit_plots.calibration_plot(deciles), fit_plots.groups_plot(groups)]
    drawn += [fit_plots.delay_plot(delays)] if len(delays) else []
    return Section("The fit on later days", text, alarms, drawn, [_effects(run)])


def _effects(run: RunFiles) -> Table:
    effects = load_table(run.path / "effects.csv")
    columns = (effects[name] for name in ("name", "mean", "low", "high"))
    rows = [
        [name, number(mean, 3), f"{number(low, 3)} to {number(high, 3)}"]
        for name, mean, low, high in zip(*columns, strict=True)
    ]
    return Table("Main effects, in log-odds where no unit is given", ["Effect", "Estimate", "95% interval"], rows)


@told_by("foretold")
def another_policy(run: RunFiles, found: Any) -> Section:
    """What another policy earns: foretold, and earned."""
    titles = {"earned": "earned", "world": "this world", "direct_method": "direct method"}
    rows = [[title, number(found[name]["mean"], 5), number_range(found[name], 5)] for name, title in titles.items()]
    miss = {name: abs(found[name]["mean"] - found["earned"]["mean"]) for name in ("world", "direct_method")}
    nearer = "This world is" if miss["world"] < miss["direct_method"] else "The direct method is"
    first, second = found["clicks"]
    text = [f"{nearer} nearer to what {found['policy']} earned. With {first} and {second} clicks, intervals are wide."]
    return Section("Another policy foretold", text, tables=[Table("CTR", ["By", "CTR", "95% interval"], rows)])


@told_by("picture_and_text")
def picture_and_text(run: RunFiles, found: Any) -> Section:
    """Whose the differences between packages are."""
    text = [
        "Packages of a test differ in headline, in picture, or in both. Pairs under one headline, under one picture, "
        "and pairs that share neither tell how much each accounts for, and how much only their meeting does: variances "
        "of log-odds of a click, sampling noise taken off, intervals over tests. An estimate may fall below zero where "
        "the truth is near it.",
        f"Pairs: {found['pairs']['same_headline']:,} under one headline, {found['pairs']['same_picture']:,} under one "
        f"picture, {found['pairs']['both_differ']:,} that share neither.",
    ]
    rows = [
        [name, number(found[name]["mean"], 4), number_range(found[name], 4), percent(found[f"{name}_share"]["mean"], 0)]
        for name in ("headline", "picture", "interplay")
    ]
    columns = ["Whose", "Variance", "95% interval", "Share"]
    return Section(
        "Headline, picture, and the two together", text, tables=[Table("Log-odds of a click", columns, rows)]
    )


@told_by("spread")
def spread(run: RunFiles, found: Any) -> Section:
    """Whether texts and tests differ in the world as they do in the archive."""
    ratio, tests = found["held_out"]["texts"]["ratio"], found["held_out"]["tests"]
    model = run.summary["text_model"]
    text = [
        f"In tests that were held out, texts differ {number(ratio['mean'])} times ({number_range(ratio, 2)}) as much "
        "in the world as in the archive, sampling noise taken off; tests differ "
        f"{number(tests['ratio'])} times as much.",
        f"A model of words explains {percent(model['explained'])} of the variance between texts of unseen tests. The "
        f"rest ({number(model['residual'], 3)} log-odds) is drawn by text, so the world cannot know which unseen "
        f"text wins: it orders {percent(found['held_out']['clear_winners'], 0)} of clear pairs as readers did.",
    ]
    alarms = [] if abs(ratio["mean"] - 1) <= 0.1 else ["The spread is more than 10% off."]
    return Section("Spread of texts", text, alarms, [fit_plots.spread_plot(found)])
