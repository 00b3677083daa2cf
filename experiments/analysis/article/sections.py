"""Sections of the report on the article's case."""

from typing import Any

from ..drawing.formats import gain, gain_range, number, percent, ranged
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by
from ..loop import findings


@told_by("case")
def beside_the_article(run: RunFiles, case: Any) -> Section:
    """Ours beside the article's."""
    text = [
        "The article's recipe, in a simulated shop: a linear effect model, effect and diversity in a weighted sum, and "
        "Adam. Its generator is a Transformer, ours here a softmax over a bank of texts; its diversity term is zero "
        "whatever is generated, so Rao's quadratic entropy stands in its place. Its figures come from live users, ours "
        "do not."
    ]
    lift, kept = run.summary["lift"], case["kept"]
    rows = [
        [name, gain(findings.LIFT_TARGETS[key], 0), gain(lift[key]["mean"]), gain_range(lift[key])]
        for key, name in (("ctr", "CTR"), ("cvr", "CVR"))
    ]
    between = f"{percent(kept['low'], 0)} to {percent(kept['high'], 0)}"
    rows.append(["Diversity kept (Vendi score)", "", percent(kept["mean"], 0), between])
    table = Table("Gains over the untuned generator", ["Figure", "Article", "Ours", "95% interval"], rows)
    return Section("Beside the article", text, tables=[table])


@told_by("case")
def robustness(run: RunFiles, case: Any) -> Section:
    """Whether holding the effect model back paid."""
    text = [
        "False gain: how much more log reward the effect model promises for an ad after an attack than the gold gains "
        "by it. Ridge and radius were chosen in another world, by the loss on texts held out of its log.",
        *case["verdicts"],
    ]
    models = case["false_gains"]
    attacks = next(iter(models.values()))
    rows = [[a, *(ranged(m[a], 3) for m in models.values())] for a in attacks]
    trained = [
        [name, f"{t['ridge']:g}", f"{t['radius']:g}", number(case["held_out"][name], 5)]
        for name, t in case["trainings"].items()
    ]
    tables = [
        Table("False gain by attack, with 95% intervals over seeds", ["Attack", *models], rows),
        Table("The effect models", ["Model", "Ridge", "Radius", "Held-out loss"], trained),
    ]
    return Section("Attacks on the effect model", text, tables=tables)
