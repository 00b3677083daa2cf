"""The section of the report on a search for settings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..drawing.formats import number, percent
from ..drawing.plots import LIGHT, Plot, label_rows, new_axes, plot_of, styled
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by
from ..statistics.fronts import front


@told_by("sweep")
def trials(run: RunFiles, sweep: Any) -> Section:
    """All trials, the best so far, which settings mattered."""
    figures, best, tried = sweep["figures"], sweep["best"], sweep["trials"]
    complete = [trial for trial in tried if trial["state"] == "complete"]
    count = {state: sum(trial["state"] == state for trial in tried) for state in ("complete", "pruned", "fail")}
    chosen = ", ".join(f"{key} {_short(value)}" for key, value in best["settings"].items())
    text = [
        f"{count['complete']} trials ran to the end, {count['pruned']} were given up early, {count['fail']} failed. "
        f"Best by {figures[0]}, {number(best['values'][0], 4)}: {chosen} (best.yaml, good for --config).",
        "The best of many trials looks better than it is: run it again with other seeds before you believe the figure.",
    ]
    drawn = [_history_plot(complete, figures[0])]
    if sweep["importance"]:
        drawn.append(_importance_plot(sweep["importance"], figures[0]))
    on_front: Sequence[bool] = [False] * len(complete)
    if len(figures) > 1:
        on_front = front([trial["values"] for trial in complete])
        drawn.append(_front_plot(complete, on_front, figures))
    star = {trial["number"] for trial, on in zip(complete, on_front, strict=True) if on}
    return Section("Search", text, plots=drawn, tables=[_table(tried, figures, star)])


def _table(tried: Sequence[Mapping[str, Any]], figures: Sequence[str], star: set[int]) -> Table:
    settings = list(dict.fromkeys(key for trial in tried for key in trial["settings"]))
    ordered = sorted(tried, key=lambda trial: -trial["values"][0] if trial["state"] == "complete" else np.inf)
    rows = []
    for trial in ordered:
        done = trial["state"] == "complete"
        values = [number(value, 4) for value in trial["values"]] if done else [""] * len(figures)
        state = "on the front" if trial["number"] in star else trial["state"]
        chosen = [_short(trial["settings"].get(key, "")) for key in settings]
        rows.append([str(trial["number"]), *values, *chosen, state])
    return Table("Trials, best first", ["Trial", *figures, *settings, "State"], rows)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@styled
def _history_plot(complete: Sequence[Mapping[str, Any]], figure_name: str) -> Plot:
    numbers = [trial["number"] for trial in complete]
    values = [trial["values"][0] for trial in complete]
    figure, axes = new_axes(3.5)
    axes.plot(numbers, values, "o", color=LIGHT["blue"], markersize=6, label="trial")
    axes.plot(numbers, np.maximum.accumulate(values), color=LIGHT["gold"], drawstyle="steps-post", label="best so far")
    axes.set_xlabel("trial")
    axes.set_ylabel(figure_name)
    axes.legend(loc="best")
    alt = f"{figure_name} by trial: first {number(values[0], 4)}, best {number(max(values), 4)}."
    return plot_of("search-history", figure, alt, "Every trial that ran to the end.")


@styled
def _importance_plot(importance: Mapping[str, float], figure_name: str) -> Plot:
    figure, axes = new_axes(0.9 + 0.45 * len(importance))
    axes.barh(range(len(importance)), list(importance.values()), height=0.6, color=LIGHT["blue"])
    label_rows(axes, list(importance))
    axes.set_xlabel(f"share of the variance of {figure_name}")
    told = ", ".join(f"{name} {percent(share, 0)}" for name, share in importance.items())
    caption = "How much of the differences between trials each setting explains (fANOVA, Hutter et al., ICML 2014)."
    return plot_of("search-importance", figure, f"Importance of settings: {told}.", caption)


@styled
def _front_plot(complete: Sequence[Mapping[str, Any]], on_front: Sequence[bool], figures: Sequence[str]) -> Plot:
    figure, axes = new_axes(4.2)
    for on, colour, label in ((False, "grey", "beaten"), (True, "blue", "on the front")):
        points = [trial["values"] for trial, there in zip(complete, on_front, strict=True) if there == on]
        if points:
            axes.plot(*np.transpose([point[:2] for point in points]), "o", color=LIGHT[colour], label=label)
    axes.set_xlabel(figures[0])
    axes.set_ylabel(figures[1])
    axes.legend(loc="best")
    alt = f"{figures[1]} over {figures[0]}: {sum(on_front)} of {len(complete)} trials are on the Pareto front."
    return plot_of("search-front", figure, alt, "Up and to the right is better.")
