"""The report of a run: one HTML file that needs nothing beside it, made from the files of the run directory alone."""

import base64
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2

from ....policies.writer.checkpoint import CAVEAT
from ...harness.files import write_text
from ..article import sections as case_sections
from ..comparison import sections as comparison_sections
from ..drawing.formats import percent
from ..drawing.plots import Plot
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section
from ..fit import sections as fit_sections
from ..headlines import sections as headline_sections
from ..loop import findings, placement_sections, rounds_sections, traffic_sections, tuning_sections, writing_sections
from ..loop.plots import lift_plot
from ..loop.segments_sections import segments_section
from ..off_policy import sections as offline_sections
from . import run_sections, sweep_sections


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
    targets = findings.targets(run)
    headlines = findings.headlines(run.summary, targets)
    over = run.summary.get("lift_over", "users")
    lift = lift_plot(run.summary["lift"], targets, over) if "lift" in run.summary else None
    title = f"Copybandit {run.summary.get('command', 'run')}: {directory.resolve().name}"
    source = findings.TARGET_SOURCES[run.archive]
    caveat = run.summary.get("caveat", CAVEAT)
    return write_page(directory, title, run.notes, sections, headlines, lift, source, over, caveat)


def write_page(
    directory: Path,
    title: str,
    notes: Sequence[str],
    sections: Sequence[Section],
    headlines: Sequence[findings.Headline] = (),
    lift: Plot | None = None,
    target_source: str = "",
    lift_over: str = "users",
    caveat: str = CAVEAT,
) -> Path:
    """Writes `report.html` and `plots/` into a directory: what fell short first, then the sections."""
    alarms = [alarm for section in sections for alarm in section.alarms]
    bad = [headline.sentence for headline in headlines if headline.status == findings.BAD]
    page = _template().render(
        title=title,
        caveat=caveat,
        notes=notes,
        bad=bad + alarms,
        headlines=headlines,
        lift=lift,
        target_source=target_source,
        lift_over=lift_over,
        sections=sections,
    )
    _save_plots(directory / "plots", [*([lift] if lift else []), *(plot for s in sections for plot in s.plots)])
    path = directory / "report.html"
    write_text(path, page)
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


def _save_plots(folder: Path, drawn: Sequence[Plot]) -> None:
    folder.mkdir(exist_ok=True)
    for plot in drawn:
        write_text(folder / f"{plot.name}.svg", plot.light)
        write_text(folder / f"{plot.name}-dark.svg", plot.dark)


SECTIONS: Sequence[Callable[[RunFiles], Section | None]] = (
    sweep_sections.trials,
    fit_sections.later_days,
    fit_sections.another_policy,
    fit_sections.spread,
    headline_sections.prediction,
    headline_sections.placing,
    headline_sections.testing,
    headline_sections.matters,
    case_sections.beside_the_article,
    case_sections.robustness,
    placement_sections.grid,
    writing_sections.texts,
    rounds_sections.rounds,
    writing_sections.proxy_gold,
    writing_sections.learning,
    placement_sections.placement,
    placement_sections.placed,
    comparison_sections.agents,
    comparison_sections.differences,
    traffic_sections.traffic,
    traffic_sections.new_creatives,
    offline_sections.estimates,
    run_sections.speed,
    writing_sections.diversity,
    tuning_sections.ways,
    tuning_sections.pareto,
    tuning_sections.attacks,
    writing_sections.claims,
    segments_section,
    writing_sections.effect_model,
    run_sections.wall_time,
    run_sections.facts_of_data,
    run_sections.settings,
)
"""In the order of the page."""
