"""The report of a run: one HTML file that needs nothing beside it, made from the files of the run directory alone."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from ...policies.checkpoint import CAVEAT
from ...policies.diversity import compression_ratio, distinct
from ..runs import read_json
from . import agent_plots, findings, plots
from .findings import Pair
from .formats import gain, number, number_range, percent
from .plots import Plot
from .statistics import Interval

SMOKE_NOTE = "This was a smoke-size run (--quick): it shows that everything works, not how well."


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is the row's header."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A part of the report: what it says, and what it shows."""

    title: str
    text: Sequence[str] = ()
    alarms: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    pairs: Sequence[Pair] = ()
    folded: Mapping[str, str] = field(default_factory=dict)
    """Long plain text by title, folded away."""

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return "-".join(self.title.lower().split())


class RunFiles:
    """What a run directory holds; what is absent is empty."""

    def __init__(self, path: Path) -> None:
        """Reads the small files.

        Raises:
            InputError: there is no readable summary.json.
        """
        self.path = path
        self.summary: dict[str, Any] = read_json(path / "summary.json")
        environment = path / "environment.json"
        self.environment: dict[str, Any] = read_json(environment) if environment.is_file() else {}
        config = path / "config.yaml"
        self.config_text = config.read_text(encoding="utf-8") if config.is_file() else ""
        self.config: dict[str, Any] = yaml.safe_load(self.config_text) or {}

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Steps as index, names as columns; empty if nothing was recorded."""
        path = self.path / "metrics.csv"
        if not path.is_file():
            return pd.DataFrame()
        return pd.read_csv(path).pivot_table(index="step", columns="name", values="value", aggfunc="last")

    @cached_property
    def creatives(self) -> pd.DataFrame:
        """Texts of both writers with proxy and gold rates; empty if there are none."""
        path = self.path / "creatives.parquet"
        return pd.read_parquet(path) if path.is_file() else pd.DataFrame({"writer": []})

    @cached_property
    def placement(self) -> pd.DataFrame:
        """Learning curves of the placement runs; empty if there are none."""
        path = self.path / "placement.csv"
        return pd.read_csv(path) if path.is_file() else pd.DataFrame()

    @property
    def both_writers(self) -> bool:
        """Whether there are texts to compare."""
        return {"untuned", "tuned"} <= set(self.creatives["writer"])

    @property
    def archive(self) -> bool:
        """Whether the run is on an archive of real tests."""
        return bool(self.config.get("archive"))

    @property
    def targets(self) -> Mapping[str, float]:
        """Lift targets that apply to this run."""
        return findings.ARCHIVE_TARGETS if self.archive else findings.LIFT_TARGETS

    @property
    def ppo(self) -> Mapping[str, Any]:
        """Options of the tuning."""
        return self.config.get("ppo") or {}


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
        caveat=CAVEAT,
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


def _grid(run: RunFiles) -> Section | None:
    grid = run.summary.get("grid")
    if not grid:
        return None
    rows = [
        [f"{writer}, {how}", number(value["mean"], 4), number_range(value)]
        for writer, row in grid.items()
        for how, value in row.items()
    ]
    worth = number(run.config.get("conversion_value", 10.0), 0)
    text = [
        f"Gold reward an impression: expected clicks plus {worth} times expected conversions, summed over the slate; "
        "the bandit's learning phase counts.",
        _placement_gains(grid),
        *(f"Intervals overlap, bandit and uniform, {found}." for found in findings.overlapping(grid)),
    ]
    table = Table("Gold reward an impression", ["Writer, placement", "Reward", "95% interval"], rows)
    return Section("Writing and placement", text, findings.placement_findings(grid), [plots.grid_plot(grid)], [table])


def _placement_gains(grid: Mapping[str, Mapping[str, Interval]]) -> str:
    gains = [
        f"{writer} writer {gain(row['bandit']['mean'] / row['uniform']['mean'] - 1)}"
        for writer, row in grid.items()
        if {"uniform", "bandit"} <= row.keys()
    ]
    text = f"Bandit over uniform placement: {', '.join(gains) or 'not compared'}."
    if {"untuned", "tuned"} <= grid.keys() and "uniform" in grid["untuned"] and "bandit" in grid["tuned"]:
        both = grid["tuned"]["bandit"]["mean"] / grid["untuned"]["uniform"]["mean"] - 1
        text += f" Tuning and bandit together, over neither: {gain(both)}."
    return text


def _proxy_gold(run: RunFiles) -> Section | None:
    curve = run.summary.get("proxy_gold") or []
    if len(curve) < 2:
        return None
    found = run.summary.get("over_optimisation") or {}
    alarms = [alarm for alarm in (findings.over_optimised(curve), found.get("alarm")) if alarm]
    text = [
        "The writer is trained on the effect model's word (proxy) and judged by the world (gold). "
        "A proxy that rises while the gold falls means that the writer exploits errors of the effect model.",
        *findings.chosen_weights(run.summary),
    ]
    tables = []
    if run.both_writers:
        gains = findings.mean_gains(run.creatives).iloc[0]
        rows = [[name.upper(), gain(gains[f"proxy_{name}"]), gain(gains[f"gold_{name}"])] for name in ("ctr", "cvr")]
        tables = [Table("Promised and delivered: gain of the mean text's rate", ["Rate", "Proxy", "Gold"], rows)]
    return Section("Proxy and gold", text, alarms, [plots.proxy_gold_plot(curve)], tables)


def _learning(run: RunFiles) -> Section | None:
    metrics, drawn, text = run.metrics, [], []
    if "reward" in metrics:
        drawn.append(plots.reward_plot(metrics))
    if "kl" in metrics:
        drawn.append(plots.kl_plot(metrics, run.ppo.get("kl_target")))
    if "warm_start_loss" in run.summary:
        text.append(f"The warm start ended at {number(run.summary['warm_start_loss'])} nats a token.")
    if "raw/failures" in metrics:
        failures = metrics["raw/failures"].dropna()
        text.append(
            "Failed quality checks per text (length, repetition, shouting, naming the wrong product and such): "
            f"{number(failures.iloc[0])} in the first update, {number(failures.iloc[-1])} in the last."
        )
    return Section("Tuning the writer", text, plots=drawn) if drawn else None


def _placement(run: RunFiles) -> Section | None:
    if run.placement.empty:
        return None
    rows = []
    for (writer, how), part in run.placement.groupby(["writer", "placement"], sort=False):
        eighth = plots.eighth(part)
        first, last = part["reward"].iloc[:eighth].mean(), part["reward"].iloc[-eighth:].mean()
        rows.append([f"{writer}, {how}", number(first, 4), number(last, 4)])
    table = Table("Gold reward an impression along the run", ["Writer, placement", "First eighth", "Last eighth"], rows)
    return Section("Learning to place", plots=[plots.placement_plot(run.placement)], tables=[table])


def _agents(run: RunFiles) -> Section | None:
    file = run.path / "regret.csv"
    if not file.is_file():
        return None
    regret = pd.read_csv(file)
    exponents = agent_plots.regret_exponents(regret)
    rows = [
        [
            name,
            number_range(figures["capture"], 3),
            number_range(figures["reward"], 4),
            number_range(figures["regret"], 4),
            f"{exponents[name]:.2f}",
            f"{figures['decisions_per_second']['mean']:,.0f}",
        ]
        for name, figures in sorted(run.summary["agents"].items(), key=lambda item: -item[1]["reward"]["mean"])
    ]
    columns = [
        "Agent",
        "Capture",
        "Reward an impression",
        "Regret an impression",
        "Regret's power",
        "Decisions a second",
    ]
    text = [
        "Reward and regret are an impression. Capture is the share of the way from uniform placement to the best "
        "slates. Regret that grows as impressions to a power below 1 is sublinear: the agent still learns. Intervals "
        "are over seeds."
    ]
    table = Table("Agents, best first", columns, rows)
    return Section("Which agent", text, plots=[agent_plots.regret_plot(regret)], tables=[table])


def _speed(run: RunFiles) -> Section | None:
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


def _diversity(run: RunFiles) -> Section | None:
    rows = []
    scores = run.summary.get("diversity", {})
    if {"untuned", "tuned"} <= scores.keys():
        vendi = (number(scores[writer], 1) for writer in ("untuned", "tuned"))
        rows.append(["Vendi score (effective number of texts)", *vendi])
    if run.both_writers:
        texts = [run.creatives.loc[run.creatives["writer"] == writer, "text"] for writer in ("untuned", "tuned")]
        words = [part.str.lower().str.split() for part in texts]
        rows += [
            ["Different texts", *(percent(part.nunique() / len(part)) for part in texts)],
            ["Different word pairs (distinct-2)", *(percent(distinct(part.tolist())) for part in words)],
            ["Compression ratio (lower is more varied)", *(number(compression_ratio(part.tolist())) for part in texts)],
            ["Words a text", *(number(part.str.len().mean(), 1) for part in words)],
        ]
    if not rows:
        return None
    count = run.summary.get("texts")
    caption = "Diversity" + (
        f" of {count:,} texts of each writer, same prompts" if count else " of both writers' texts"
    )
    return Section("Diversity", tables=[Table(caption, ["Measure", "Untuned", "Tuned"], rows)])


def _gallery(run: RunFiles) -> Section | None:
    pairs = findings.gallery(run.creatives) if run.both_writers else []
    if not pairs:
        return None
    won = findings.prompts_won(run.creatives)
    text = [
        f"{len(pairs)} prompts: products at even steps through the catalog's order, their audiences in turn, and of "
        "each prompt the first text. The rule looks at no text and no figure.",
        "Over all prompts, tuning "
        + " and ".join(
            f"raised the gold {name.upper()} in {percent(raised, 0)} (lowered it in {percent(lowered, 0)})"
            for name, (raised, lowered) in won.items()
        )
        + ".",
        "Gold rates are those of the top slot, proxy rates those of an average slot: compare untuned with tuned, not "
        "gold with proxy.",
    ]
    gains = findings.mean_gains(run.creatives, "audience")
    rows = [
        [str(audience), *(gain(row[name]) for name in ("proxy_ctr", "gold_ctr", "proxy_cvr", "gold_cvr"))]
        for audience, row in gains.iterrows()
    ]
    columns = ["Audience", "CTR, proxy", "CTR, gold", "CVR, proxy", "CVR, gold"]
    table = Table("Gain of the mean text's rates by audience, tuned over untuned", columns, rows)
    return Section("Texts before and after", text, pairs=pairs, tables=[table])


ON_LOGS = {
    "Log-loss (nats)": ("log_loss", 4),
    "Log-loss of the constant rate": ("base_log_loss", 4),
    "AUC": ("auc", 3),
    "Calibration error": ("calibration_error", 3),
    "Precision": ("precision", 3),
    "Recall": ("recall", 3),
    "F1": ("f1", 3),
}
"""Names, keys and digits of what an effect model is measured by on a log."""
ON_TESTS = {
    "Pairs of texts of one test": ("pairs", 0),
    "Better text named": ("accuracy", 3),
    "Pairs with |z| > 1.96": ("significant_pairs", 0),
    "Better text named, of these": ("accuracy_significant", 3),
    "Slope of true on predicted differences": ("slope", 2),
    "True variance explained": ("explained", 3),
}
"""The same on an archive of A/B tests."""


def _effect_model(run: RunFiles) -> Section | None:
    heads = {name: head for name, head in (run.summary.get("effect_model") or {}).items() if head}
    if not heads:
        return None
    on_logs = any("log_loss" in head for head in heads.values())
    rows = [
        [name, *(number(head[key], digits) if key in head else "not defined" for head in heads.values())]
        for name, (key, digits) in (ON_LOGS if on_logs else ON_TESTS).items()
    ]
    columns = ["Measure", *({"click": "Click", "convert": "Conversion"}.get(name, name) for name in heads)]
    text = ["It is the writer's only source of reward."]
    if on_logs:
        text.append(
            "Conversion is given a click. Calibration error is relative to the base rate; precision, recall and F1 are "
            "taken where as many are called as there are."
        )
    table = Table("Quality on feedback that it has not seen", columns, rows)
    return Section("The effect model", text, findings.blind_heads(heads), tables=[table])


def _pareto(run: RunFiles) -> Section | None:
    points = run.summary.get("pareto") or []
    if not points:
        return None
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


def _attacks(run: RunFiles) -> Section | None:
    attacks = run.summary.get("attacks") or {}
    rows = [
        [name, gain(change["gold"]), f"{findings.gain_units(change['proxy'])} ± {number(2 * change['error'])}"]
        for name, change in attacks.items()
    ]
    text = ["Good ads of the catalog, spoiled. A reward that can be trusted pays for none of it. Novelty is left out."]
    columns = ["Attack", "Gold reward", "Proxy reward (change in its units, two standard errors)"]
    table = Table("What each attack changed", columns, rows)
    return Section("Attacks", text, findings.successful_attacks(attacks), tables=[table]) if rows else None


def _writers(run: RunFiles) -> Section | None:
    writers = run.summary.get("writers") or {}
    if not writers:
        return None
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


def _wall_time(run: RunFiles) -> Section | None:
    stages = run.summary.get("wall_seconds") or {}
    return Section("Wall time", plots=[plots.wall_time_plot(stages)]) if stages else None


def _settings(run: RunFiles) -> Section | None:
    environment = yaml.safe_dump(run.environment, sort_keys=False, allow_unicode=True) if run.environment else ""
    parts = {"Settings (config.yaml, good for --config)": run.config_text, "Environment": environment}
    folded = {title: text for title, text in parts.items() if text}
    return Section("Settings and environment", folded=folded) if folded else None


SECTIONS: Sequence[Callable[[RunFiles], Section | None]] = (
    _grid,
    _proxy_gold,
    _learning,
    _placement,
    _agents,
    _speed,
    _diversity,
    _writers,
    _pareto,
    _attacks,
    _gallery,
    _effect_model,
    _wall_time,
    _settings,
)
"""In the order of the page."""
