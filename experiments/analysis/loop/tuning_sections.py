"""How the writer was tuned: ways of tuning, reward against diversity, attacks on the reward."""

from typing import Any

from ..drawing.formats import gain, gain_units, number, percent
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by
from . import findings, plots


@told_by("writers")
def ways(run: RunFiles, writers: Any) -> Section:
    """Ways of tuning at one budget."""
    columns = ["Way", "Gold reward", "CTR", "CVR", "KL", "Vendi", "Distinct-2", "Self-BLEU", "Compression"]
    columns += ["Seconds", "Reward calls"]
    rows = []
    for name, figures in writers.items():
        mean = {figure: interval["mean"] for figure, interval in figures.items()}
        gains = [gain(mean[figure]) for figure in ("reward", "ctr", "cvr")]
        plain = [number(mean[figure]) for figure in ("kl", "vendi", "distinct_2", "self_bleu", "compression")]
        rows.append([name, *gains, *plain, number(mean["seconds"], 0), number(mean["reward_calls"], 0)])
    text = ["All from one warm-started writer with one reward; gains and Vendi are relative to the untuned writer."]
    return Section("Ways of tuning", text, tables=[Table("Means over seeds", columns, rows)])


@told_by("pareto")
def pareto(run: RunFiles, points: Any) -> Section:
    """Writers by gold reward and diversity."""
    rows = [
        [
            point["writer"],
            "" if point["share"] is None else number(point["share"]),
            number(point["reward"], 4),
            number(point["vendi"], 1),
            "yes" if point["front"] else "no",
        ]
        for point in points
    ]
    text = [
        "Tuned: one run for each weight of diversity. Interpolated: between the weights of the first and the last of "
        "these writers, which costs no tuning; the share is how far it lies from the first."
    ]
    table = Table("Writers", ["Writer", "Share", "Gold reward", "Vendi score", "No other beats it in both"], rows)
    return Section("Reward and diversity", text, plots=[plots.pareto_plot(points)], tables=[table])


_REWARDS = {
    "Proxy reward (change in its units, two standard errors)": ("proxy", "error"),
    "The same without what it costs to be refused": ("unfiltered", "unfiltered_error"),
}
"""Names and keys of what an attack changed."""


def _change(change: Any, mean: str, error: str) -> str:
    return f"{gain_units(change[mean])} ± {number(2 * change[error])}" if mean in change else "not measured"


@told_by("attacks")
def attacks(run: RunFiles, found: Any) -> Section:
    """What spoiling good ads does to the gold and to the reward."""
    rows = [
        [name, gain(change["gold"]), *(_change(change, *keys) for keys in _REWARDS.values())]
        for name, change in found.items()
    ]
    text = ["Good ads of the catalog, spoiled. A reward that can be trusted pays for none of it. Novelty is left out."]
    if shares := findings.resisted_share(found):
        text.append(
            f"The reward resists {percent(shares['filtered'], 0)} of {shares['of']} attacks: it pays for them no more "
            f"than chance does. Without what a refusal costs it would resist {percent(shares['unfiltered'], 0)}."
        )
    columns = ["Attack", "Gold reward", *_REWARDS]
    table = Table("What each attack changed", columns, rows)
    return Section("Attacks", text, findings.successful_attacks(found), tables=[table])
