"""Sections of the report on the run itself: speed, wall time, settings."""

from collections.abc import Mapping
from typing import Any

import yaml

from ..comparison import plots as agent_plots
from ..drawing.formats import seconds
from ..drawing.plots import LIGHT, Plot, label_rows, new_axes, plot_of, styled
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table, told_by


def speed(run: RunFiles) -> Section | None:
    """Ratios against other libraries, and cost against size."""
    ratios = run.summary.get("ratios", {})
    rows = [
        [f"{what}, {peer} {row['version']}", *(f"{row[key]:,.0f}" for key in ("ours", "theirs")), f"{row['ratio']:.2f}"]
        for what, peers in ratios.items()
        for peer, row in peers.items()
        if "ratio" in row
    ]
    cost = run.summary.get("cost")
    drawn = [agent_plots.cost_plot(cost)] if cost else []
    if not rows and not drawn:
        return None
    table = Table(
        "A second, best of the repeats, taken in turns", ["What, against whom", "Ours", "Theirs", "Ratio"], rows
    )
    return Section("Speed", plots=drawn, tables=[table] if rows else [])


@told_by("wall_seconds")
def wall_time(run: RunFiles, stages: Any) -> Section:
    """Seconds by stage."""
    return Section("Wall time", plots=[wall_time_plot(stages)])


@told_by("data")
def facts_of_data(run: RunFiles, facts: Any) -> Section:
    """What the figures were made of, as the run wrote it down."""
    text = ['What the figures rest on, in the manner of Gebru et al., "Datasheets for Datasets" (CACM 64:12, 2021).']
    tables = [Table(name, ["What", "Is"], list(part.items()), prose=True) for name, part in facts.items()]
    return Section("Data sheet", text, tables=tables)


def settings(run: RunFiles) -> Section | None:
    """Settings and environment, folded away."""
    environment = yaml.safe_dump(run.environment, sort_keys=False, allow_unicode=True) if run.environment else ""
    parts = {"Settings (config.yaml, good for --config)": run.config_text, "Environment": environment}
    folded = {title: text for title, text in parts.items() if text}
    return Section("Settings and environment", folded=folded) if folded else None


@styled
def wall_time_plot(stages: Mapping[str, float]) -> Plot:
    """Wall time by stage."""
    figure, axes = new_axes(0.8 + 0.42 * len(stages))
    axes.barh(range(len(stages)), list(stages.values()), height=0.6, color=LIGHT["blue"])
    for row, value in enumerate(stages.values()):
        axes.annotate(seconds(value), (value, row), (4, 0), textcoords="offset points", va="center")
    label_rows(axes, list(stages))
    axes.set_xlim(0, max(stages.values()) * 1.35 or 1)
    axes.set_xlabel("seconds")
    told = ", ".join(f"{name} {seconds(value)}" for name, value in stages.items())
    return plot_of("wall-time", figure, f"Wall time by stage: {told}.", f"{seconds(sum(stages.values()))} in all.")
