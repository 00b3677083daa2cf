"""The report of a run: one HTML file that needs nothing beside it, made from the files of the run directory alone."""

import base64
from collections.abc import Sequence
from pathlib import Path

import jinja2

from ....policies.writer.checkpoint import CAVEAT
from ...harness.files import write_text
from ..drawing.formats import percent
from ..drawing.plots import Plot
from ..drawing.run_files import RunFiles
from ..drawing.sections import Section
from ..loop import findings
from ..loop.plots import lift_plot
from ..loop.story import outcome
from .section_order import SECTIONS
from .words import words


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
    sections += [explained] if (explained := words(sections)) is not None else []
    targets = findings.targets(run)
    headlines = findings.headlines(run.summary, targets)
    over = run.summary.get("lift_over", "users")
    lift = lift_plot(run.summary["lift"], targets, over) if "lift" in run.summary else None
    title = f"Copybandit {run.summary.get('command', 'run')}: {directory.resolve().name}"
    source = findings.TARGET_SOURCES[run.archive]
    caveat = run.summary.get("caveat", CAVEAT)
    told = outcome(run.summary, run.archive)
    return write_page(directory, title, run.notes, sections, headlines, lift, source, over, caveat, told)


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
    outcome: str = "",
) -> Path:
    """Writes `report.html` and `plots/` into a directory: the outcome, what fell short, then the sections."""
    alarms = [alarm for section in sections for alarm in section.alarms]
    bad = [headline.sentence for headline in headlines if headline.status == findings.BAD]
    page = _template().render(
        title=title,
        caveat=caveat,
        outcome=outcome,
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
