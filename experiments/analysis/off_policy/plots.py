"""The report's plots of off-policy evaluation and of what is known to be true."""

from collections.abc import Mapping
from typing import Any

from ..drawing.formats import number, number_range
from ..drawing.plots import COLOURS, LIGHT, Plot, label_rows, mark_estimate, new_axes, plot_of, styled
from ..statistics.bootstrap import Interval


@styled
def estimates_plot(
    estimates: Mapping[str, Mapping[str, Mapping[str, Any]]],
    on_policy: Mapping[str, Interval],
    labels: Mapping[str, str],
    unit: str,
) -> Plot:
    """Every estimate with its interval, policy by policy; where a policy's own log is known, its value as a band.

    Args:
        estimates: by policy and estimator: `mean`, `low`, `high`.
        on_policy: what policies earned themselves.
        labels: of the estimators.
        unit: what figures are counted by.
    """
    rows = [(policy, name, entry) for policy, row in estimates.items() for name, entry in row.items()]
    figure, axes = new_axes(0.9 + 0.25 * len(rows))
    colour = {policy: LIGHT[COLOURS[i % len(COLOURS)]] for i, policy in enumerate(estimates)}
    for row, (policy, _, entry) in enumerate(rows):
        mark_estimate(
            axes, row, Interval(mean=entry["mean"], low=entry["low"], high=entry["high"]), colour[policy], size=6
        )
        if policy in on_policy:
            own = on_policy[policy]["mean"]
            axes.plot([own, own], [row - 0.45, row + 0.45], color=LIGHT["red"], linewidth=2)
    label_rows(axes, [f"{_short(policy)}: {labels[name]}" for policy, name, _ in rows])
    axes.tick_params(axis="y", labelsize=7.5)
    axes.set_xlabel(f"value {unit}")
    told = "; ".join(f"{policy}, {labels[name]}: {number(e['mean'], 5)}, {_range(e)}" for policy, name, e in rows)
    known = "; ".join(f"{policy} {number(v['mean'], 5)}, {number_range(v, 5)}" for policy, v in on_policy.items())
    caption = "Dot and bar: estimate and 95% interval."
    if set(on_policy) & set(estimates):
        caption += " Red: what the policy earned itself."
    return plot_of("estimates", figure, f"Estimates: {told}. On policy: {known}.", caption)


def _short(name: str, most: int = 20) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _range(entry: Mapping[str, Any]) -> str:
    return f"{number(entry['low'], 5)} to {number(entry['high'], 5)}"
