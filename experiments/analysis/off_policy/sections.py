"""What logs say of policies: the sections of an offline evaluation."""

from typing import Any

from ..drawing.formats import number, number_range
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by
from . import plots as offline_plots
from .evaluation import labels_of


@told_by("estimates")
def estimates(run: RunFiles, found: Any) -> Section:
    """Values of policies on a log, with how much of the log each estimate rests on."""
    labels, known, unit = labels_of(run.summary["slots"]), run.summary["on_policy"], run.summary["unit"]
    rows = [
        [
            f"{policy}, {labels[name]}",
            number(entry["mean"], 5),
            number_range(entry, 5) if entry["ess"] is not None else f"over products: {number_range(entry, 5)}",
            "none" if entry["ess"] is None else number(entry["ess"], 0),
            "none" if entry["max_weight"] is None else number(entry["max_weight"], 2),
        ]
        for policy, row in found.items()
        for name, entry in row.items()
    ]
    rows += [[f"{policy}, on policy", number(v["mean"], 5), number_range(v, 5), "", ""] for policy, v in known.items()]
    text = [f"{policy}: {verdict}." for policy, verdict in run.summary.get("verdicts", {}).items()]
    text += [
        "Of several estimates read DR (doubly robust), or Cascade-DR where there is none; the others say how far it "
        "hangs on the method.",
        f"{run.summary['impressions']:,} decisions. ESS: so many decisions of the policy itself would tell as much. "
        "Clipped IPS, Switch-DR and DRos are tuned by SLOPE and take some bias: their interval is that of the unbiased "
        "form. An effect model's word on texts is as good as the model: nothing in the log corrects it.",
    ]
    if guessed := run.summary["estimated_probabilities"]:
        text.append(f"Probabilities of {', '.join(guessed)} are estimated, by drawing or from its own log.")
    alarms = [f"{policy}: {warning}." for policy, warning in run.summary["warnings"].items()]
    table = Table("Estimates", ["Policy, estimator", "Value", "95% interval", "ESS", "Largest weight"], rows)
    drawn = [offline_plots.estimates_plot(found, known, labels, unit)]
    return Section("What the policies would have earned", text, alarms, drawn, [table])
