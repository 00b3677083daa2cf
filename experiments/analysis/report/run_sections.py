"""Sections of the report on the run itself: speed, wall time, settings."""

import yaml

from ..comparison import plots as agent_plots
from ..drawing import plots
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section, Table


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


def wall_time(run: RunFiles) -> Section | None:
    """Seconds by stage."""
    stages = run.summary.get("wall_seconds") or {}
    return Section("Wall time", plots=[plots.wall_time_plot(stages)]) if stages else None


def data_sheet(run: RunFiles) -> Section | None:
    """What the figures were made of, as the run wrote it down."""
    facts = run.summary.get("data")
    if not facts:
        return None
    text = ['What the figures rest on, in the manner of Gebru et al., "Datasheets for Datasets" (CACM 64:12, 2021).']
    tables = [Table(name, ["What", "Is"], list(part.items()), prose=True) for name, part in facts.items()]
    return Section("Data sheet", text, tables=tables)


def settings(run: RunFiles) -> Section | None:
    """Settings and environment, folded away."""
    environment = yaml.safe_dump(run.environment, sort_keys=False, allow_unicode=True) if run.environment else ""
    parts = {"Settings (config.yaml, good for --config)": run.config_text, "Environment": environment}
    folded = {title: text for title, text in parts.items() if text}
    return Section("Settings and environment", folded=folded) if folded else None
