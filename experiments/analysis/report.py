"""The report of a run: one HTML file that needs nothing beside it, made from the files of the run directory alone."""

import base64
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2

from ...policies.checkpoint import CAVEAT
from . import (
    comparison_sections,
    findings,
    headline_sections,
    placement_sections,
    plots,
    run_sections,
    writing_sections,
)
from .formats import percent
from .run_files import RunFiles
from .sections import Section

SMOKE_NOTE = "This was a smoke-size run (--quick): it shows that everything works, not how well."


def write_report(directory: Path) -> Path:
    """Writes `report.html` and `plots/` into a run directory.

    Args:
        directory: with summary.json at least; sections whose files are absent are left out.

    Returns:
        The path of the report.

    Raises:
        InputError: no readable summary.json.
    """
    run = RunFiles(directory)
    sections = [section for make in SECTIONS if (section := make(run)) is not None]
    headlines = findings.headlines(run.summary, run.targets)
    lift = plots.lift_plot(run.summary["lift"], run.targets) if "lift" in run.summary else None
    alarms = [alarm for section in sections for alarm in section.alarms]
    bad = [headline.sentence for headline in headlines if headline.status == findings.BAD]
    page = _template().render(
        title=f"Copybandit {run.summary.get('command', 'run')}: {directory.resolve().name}",
        caveat=run.summary.get("caveat", CAVEAT),
        notes=[*([SMOKE_NOTE] if run.config.get("quick") else []), *run.summary.get("notes", [])],
        bad=bad + alarms,
        headlines=headlines,
        lift=lift,
        target_source=findings.TARGET_SOURCES[run.archive],
        sections=sections,
    )
    _save_plots(directory / "plots", [*([lift] if lift else []), *(plot for s in sections for plot in s.plots)])
    path = directory / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"data_uri": _data_uri, "percent": percent}
    return environment.get_template("report.html.j2")


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _save_plots(folder: Path, drawn: Sequence[plots.Plot]) -> None:
    folder.mkdir(exist_ok=True)
    for plot in drawn:
        (folder / f"{plot.name}.svg").write_text(plot.light, encoding="utf-8")
        (folder / f"{plot.name}-dark.svg").write_text(plot.dark, encoding="utf-8")


SECTIONS: Sequence[Callable[[RunFiles], Section | None]] = (
    headline_sections.prediction,
    headline_sections.placing,
    headline_sections.matters,
    placement_sections.grid,
    writing_sections.proxy_gold,
    writing_sections.learning,
    placement_sections.placement,
    comparison_sections.agents,
    comparison_sections.differences,
    run_sections.speed,
    writing_sections.diversity,
    writing_sections.gallery,
    writing_sections.effect_model,
    run_sections.wall_time,
    run_sections.settings,
)
"""In the order of the page."""
