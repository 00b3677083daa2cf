"""The report: complete, self-contained, legible to all, honest about what fell short."""

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from copybandit.experiments.analysis.drawing import plots
from copybandit.experiments.analysis.drawing.sections import Section
from copybandit.experiments.analysis.loop import findings, gallery
from copybandit.experiments.analysis.report.page import write_report
from copybandit.experiments.analysis.report.side_by_side import write_side_by_side
from copybandit.experiments.analysis.report.words import words
from copybandit.experiments.analysis.statistics.fronts import front
from copybandit.experiments.report import ReportOptions, run_report
from copybandit.policies.writer.checkpoint import CAVEAT
from copybandit.simulation.data.errors import InputError

AUDIENCES = ("parents", "students", "everyone")
HOSTILE = "<script>alert('x')</script> Now & <b>then</b>"


def interval(mean: float, width: float = 0.02) -> dict[str, float]:
    return {"mean": mean, "low": mean - width, "high": mean + width}


def curve(proxy: list[float], gold: list[float]) -> list[dict[str, float]]:
    rows = enumerate(zip(proxy, gold, strict=True))
    return [
        {"step": 8 * i, "sqrt_kl": 0.7 * i, "proxy": p, "gold": g, "gold_ctr": 0.6 * g, "gold_cvr": 2 * g}
        for i, (p, g) in rows
    ]


def summary() -> dict:
    quality = {"log_loss": 0.11, "base_log_loss": 0.12, "auc": 0.66, "calibration_error": 0.04}
    quality |= {"precision": 0.06, "recall": 0.06, "f1": 0.06}
    return {
        "command": "loop",
        "lift": {"ctr": interval(0.19), "cvr": interval(0.13), "reward": interval(0.25)},
        "diversity": {"untuned": 107.5, "tuned": 99.5},
        "texts": 72,
        "kl": 9.8,
        "proxy_gold": curve([0, 0.3, 0.6, 0.8, 0.9], [0.030, 0.032, 0.034, 0.035, 0.036]),
        "effect_model": {"click": quality, "convert": {k: v for k, v in quality.items() if k != "auc"}},
        "warm_start_loss": 1.2,
        "writer": "fingerprint",
        "grid": {
            "untuned": {"uniform": interval(0.110, 0.002), "bandit": interval(0.131, 0.002)},
            "tuned": {"uniform": interval(0.125, 0.002), "bandit": interval(0.149, 0.002)},
        },
        "wall_seconds": {"warm start": 31.0, "PPO": 182.3, "placement": 0.0},
        "device": "cpu",
        "data": {"Texts": {"Source": "a catalog <of> ours", "Products": "12"}},
        "notes": ["Conversions come from the world, not from the archive."],
    }


def creatives(texts: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {
            "writer": writer,
            "product_id": f"p{product:02d}",
            "audience": audience,
            "text": HOSTILE if product == 0 else f"{writer} ad {sample} of product {product} for {audience}",
            "proxy_ctr": rng.uniform(0.01, 0.03),
            "proxy_cvr": rng.uniform(0.02, 0.06),
            "gold_ctr": rng.uniform(0.01, 0.03) * (1.2 if writer == "tuned" else 1),
            "gold_cvr": rng.uniform(0.02, 0.06),
        }
        for writer in ("untuned", "tuned")
        for product in range(12)
        for audience in AUDIENCES
        for sample in range(texts)
    ]
    return pd.DataFrame(rows)


def metrics(updates: int = 20) -> pd.DataFrame:
    names = ("kl", "reward", "raw/failures", "weighted/ctr", "weighted/cvr", "weighted/diversity", "weighted/penalty")
    rows = [(step, name, step / updates + i) for step in range(1, updates + 1) for i, name in enumerate(names)]
    return pd.DataFrame(rows, columns=["step", "name", "value"])


def placement() -> pd.DataFrame:
    rows = [
        (writer, how, 1024 * i, 0.1 + 0.001 * i * (how == "bandit"))
        for writer in ("untuned", "tuned")
        for how in ("uniform", "bandit")
        for i in range(1, 11)
    ]
    return pd.DataFrame(rows, columns=["writer", "placement", "impressions", "reward"])


def placed() -> pd.DataFrame:
    rows = [
        (writer, how, channel, slot, category, 10 + (how == "bandit") * (category == "toys") * 30)
        for writer in ("untuned", "tuned")
        for how in ("uniform", "bandit")
        for channel in ("search", "feed")
        for slot in (1, 2)
        for category in ("toys", "food")
    ]
    return pd.DataFrame(rows, columns=["writer", "placement", "channel", "slot", "category", "shown"])


def fill(path: Path, figures: dict) -> Path:
    """Makes a run directory as `loop` leaves it."""
    path.mkdir()
    (path / "summary.json").write_text(json.dumps(figures), encoding="utf-8")
    environment = {"python": "3.11.2", "packages": {"torch": "2.13.0"}, "commit": None}
    (path / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    (path / "config.yaml").write_text("seed: 0\nconversion_value: 10.0\nppo:\n  kl_target: 10.0\n", encoding="utf-8")
    metrics().to_csv(path / "metrics.csv", index=False)
    placement().to_csv(path / "placement.csv", index=False)
    placed().to_csv(path / "placed.csv", index=False)
    creatives().to_parquet(path / "creatives.parquet", index=False)
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a complete run; not to be written to."""
    return write_report(fill(tmp_path_factory.mktemp("complete") / "run", summary()))


@pytest.fixture(scope="module")
def page(report: Path) -> "Page":
    return Page(report)


@pytest.fixture
def bare(tmp_path: Path) -> Callable[..., Path]:
    """A run directory with nothing but a summary of the given keys."""

    def make(**figures: object) -> Path:
        (tmp_path / "summary.json").write_text(json.dumps({"command": "loop", **figures}), encoding="utf-8")
        return tmp_path

    return make


class Page(HTMLParser):
    """What the tests ask of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._skip = False
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._skip = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.text = f"{self.text} {' '.join(data.split())}".strip()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def alts(self) -> str:
        return "\n".join(image["alt"] or "" for image in self.all("img"))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2, relative luminance)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_complete_report_fetches_nothing(page: Page) -> None:
    assert page.all("script") == []
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "poster", "data"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), attributes
    assert "url(" not in page.source
    assert "@import" not in page.source
    assert len(page.source) < 1_000_000
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {link["href"] for link in page.all("a")} <= {f"#{anchor}" for anchor in anchors}


def test_every_plot_is_there_in_light_and_dark_and_in_words(report: Path, page: Page) -> None:
    names = {path.stem for path in (report.parent / "plots").iterdir()}
    light = {"lift", "grid", "proxy-gold", "reward", "kl", "placement", "placed-bandit", "wall-time"}
    assert names == light | {f"{name}-dark" for name in light}
    assert len(page.all("img")) == len(page.all("source")) == len(light)
    for image in page.all("img"):
        assert re.search(r"\d", image["alt"] or ""), "an alt text tells the numbers"
    assert "ctr +19.0%, +17.0% to +21.0%" in page.alts()
    assert "tuned writer, bandit 0.1490, 0.1470 to 0.1510" in page.alts()
    assert "PPO 3 min 2 s" in page.alts()
    assert "search slot 1 mostly toys (80%)" in page.alts()  # 40 of 50


def test_plots_are_svg_with_letters_and_without_links(page: Page) -> None:
    uris = [image["src"] or "" for image in page.all("img")] + [dark["srcset"] or "" for dark in page.all("source")]
    for uri in uris:
        drawing = ElementTree.fromstring(base64.b64decode(uri.removeprefix("data:image/svg+xml;base64,")))
        assert drawing.tag.endswith("svg")
        assert [element for element in drawing.iter() if element.tag.endswith("text")]
        links = [value for element in drawing.iter() for name, value in element.attrib.items() if "href" in name]
        assert all(link.startswith("#") for link in links)


@pytest.mark.parametrize("palette", [plots.LIGHT, plots.DARK], ids=["light", "dark"])
def test_plots_contrast_with_their_paper(palette: dict[str, str]) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast(palette["ink"], palette["paper"]) >= 4.5
    for name in ("grey", "blue", "gold", "green", "purple", "red"):
        assert contrast(palette[name], palette["paper"]) >= 3, name


def test_ticks_are_not_rounded() -> None:
    assert [plots.percent_tick(share) for share in (-0.025, 0.0, 0.1, 0.125)] == ["−2.5%", "0%", "+10%", "+12.5%"]


def test_letters_contrast_with_the_page(page: Page) -> None:
    styles = re.findall(r":root \{(.*?)\}", page.source, re.DOTALL)
    assert len(styles) == 2
    for style, palette in zip(styles, (plots.LIGHT, plots.DARK), strict=True):
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", style))
        assert colours["paper"] == palette["paper"], "plots stand on the paper of the page"
        for letters in ("ink", "soft", "accent", "good", "bad"):
            assert contrast(colours[letters], colours["paper"]) >= 4.5, letters
            assert contrast(colours[letters], colours["page"]) >= 4.5, letters
        assert contrast(colours["bad"], colours["bad-paper"]) >= 4.5


def test_every_table_has_headers_with_scope(page: Page) -> None:
    tables = page.source.split("<table>")[1:]
    assert len(tables) == len(page.all("caption")) == 9
    for table in tables:
        body = table.split("</table>")[0]
        assert body.count('<th scope="col">') >= 2
        assert body.count('<th scope="row">') == body.count("<tr>") - 1 >= 1
    assert all(header.get("scope") in ("col", "row") for header in page.all("th"))


def test_texts_are_escaped(page: Page) -> None:
    assert HOSTILE in page.text
    assert HOSTILE not in page.source
    assert "<b>" not in page.source


def test_caveat_and_notes_stand_at_the_top(page: Page) -> None:
    assert page.text.index(CAVEAT) < page.text.index("Conversions come from the world") < page.text.index("Did it pay?")


def test_figures_are_the_summarys_own(page: Page) -> None:
    assert "Nothing fell short" in page.text
    assert "Alarm" not in page.text
    assert "Clicks an impression (CTR) +19.0% 95%: +17.0% to +21.0% ✓ target of +15.0%: met" in page.text
    assert "Diversity kept 93%" in page.text  # 99.5 / 107.5
    assert "9.8 nats" in page.text
    assert "untuned writer +19.1%, tuned writer +19.2%" in page.text  # .131 / .110 and .149 / .125
    assert "over neither: +35.5%" in page.text  # .149 / .110
    assert "torch: 2.13.0" in page.text
    assert "kl_target: 10.0" in page.text
    assert "not defined" in page.text  # the conversion head's AUC
    assert "Source a catalog <of> ours" in page.text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"lift": {"ctr": interval(0.01)}},
            "No gain in clicks an impression (CTR) is shown: +1.0% (95% interval −1.0% to +3.0%)",
        ),
        (
            {"lift": {"cvr": interval(-0.05)}},
            "Tuning lowered conversions a click (CVR): −5.0% (95% interval −7.0% to −3.0%).",
        ),
        ({"lift": {"ctr": interval(0.09)}}, "short of the target of +15.0%"),
        ({"diversity": {"untuned": 100.0, "tuned": 80.0}}, "Diversity fell to 80.0%"),
        (
            {"grid": {"tuned": {"uniform": interval(0.12), "bandit": interval(0.11)}}},
            "Bandit placement did not beat uniform placement for the tuned writer: 0.1100 against 0.1200",
        ),
        ({"proxy_gold": curve([0, 0.5, 1], [0.03, 0.031, 0.028])}, "The proxy rose from 0.00 to 1.00"),
        (
            {"effect_model": {"convert": {"log_loss": 0.21, "base_log_loss": 0.2}}},
            "The effect model predicts conversions no better than the constant rate does",
        ),
    ],
)
def test_what_fell_short_is_said_first(bare: Callable[..., Path], changes: dict, sentence: str) -> None:
    text = Page(write_report(bare(**changes))).text
    assert sentence in text.split("What fell short ")[1][:200]


def test_alarm_stands_where_the_curve_is(bare: Callable[..., Path]) -> None:
    source = write_report(bare(proxy_gold=curve([0, 0.5, 1], [0.03, 0.031, 0.028]))).read_text(encoding="utf-8")
    assert source.index('<h2 id="promised-and-delivered">') < source.index('class="alarm"') < source.index("<picture>")


def test_alarm_is_over_optimisation_and_nothing_else() -> None:
    rising, gold = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 1.1, 1.2, 1.3, 1.25, 1.2]
    assert "Over the last 3 looks" in (findings.over_optimised(curve(rising, gold)) or "")
    assert findings.over_optimised(curve(rising, [1.0, 1.1, 1.2, 1.25, 1.2, 1.3])) is None
    assert findings.over_optimised(curve([0.0, 1.0, 2.0, 3.0, 2.5, 2.0], gold)) is None, "the proxy falls as well"
    assert findings.over_optimised(curve([0.0, 1.0], [1.0, 0.9])) is not None
    assert findings.over_optimised(curve([0.0, 1.0], [1.0, 0.995])) is None, "a fall within the noise"
    assert findings.over_optimised(curve([0.0], [1.0])) is None


def test_interval_that_touches_zero_is_no_gain() -> None:
    found = findings.headlines({"lift": {"ctr": {"mean": 0.2, "low": 0.0, "high": 0.4}}}, {})
    assert [headline.verdict for headline in found] == ["no gain shown"]


def test_overlapping_intervals_are_named() -> None:
    wide = {"uniform": interval(0.10), "bandit": interval(0.12)}
    apart = {"uniform": interval(0.10, 0.001), "bandit": interval(0.12, 0.001)}
    assert findings.overlapping({"untuned": wide, "tuned": apart}) == [
        "untuned writer: 0.1000 to 0.1400 and 0.0800 to 0.1200"
    ]


def test_archive_runs_have_the_archives_target(bare: Callable[..., Path]) -> None:
    run = bare(lift={"ctr": interval(0.08), "cvr": interval(0.03)})
    (run / "config.yaml").write_text("archive: packages.csv.gz\n", encoding="utf-8")
    text = Page(write_report(run)).text
    assert "Nothing fell short" in text
    assert "target of +6.7%: met" in text


def test_gallery_rule_looks_at_no_text() -> None:
    table = creatives()
    pairs = gallery.gallery(table, {}, size=4)
    assert [(pair.product, pair.audience) for pair in pairs] == [
        ("p00", "parents"),
        ("p03", "students"),
        ("p06", "everyone"),
        ("p09", "parents"),
    ]
    assert pairs[1].untuned["text"] == "untuned ad 0 of product 3 for students"
    assert pairs[1].tuned["text"] == "tuned ad 0 of product 3 for students"
    assert len(gallery.gallery(table, {}, size=50)) == 12
    assert gallery.gallery(table[table.writer == "tuned"], {}) == []


def test_gains_of_mean_rates() -> None:
    columns = ["writer", "product_id", "audience", "proxy_ctr", "proxy_cvr", "gold_ctr", "gold_cvr"]
    rows = [
        ("untuned", "p", "a", 0.1, 0.1, 0.10, 0.2),
        ("untuned", "q", "a", 0.1, 0.1, 0.30, 0.2),
        ("tuned", "p", "a", 0.2, 0.1, 0.20, 0.1),
        ("tuned", "q", "a", 0.2, 0.1, 0.25, 0.1),
    ]
    table = pd.DataFrame(rows, columns=columns)
    gains = gallery.mean_gains(table).iloc[0]
    assert gains.to_dict() == pytest.approx({"proxy_ctr": 1.0, "proxy_cvr": 0.0, "gold_ctr": 0.125, "gold_cvr": -0.5})
    assert gallery.prompts_won(table) == {"ctr": (0.5, 0.5), "cvr": (0.0, 1.0)}
    assert list(gallery.mean_gains(table, "audience").index) == ["a"]


FILES = ("metrics.csv", "creatives.parquet", "placement.csv", "placed.csv", "environment.json", "config.yaml")


@pytest.mark.parametrize("only", [*FILES, *(key for key in summary() if key != "command")])
def test_every_part_stands_alone(bare: Callable[..., Path], report: Path, only: str) -> None:
    run = bare() if only in FILES else bare(**{only: summary()[only]})
    if only in FILES:
        shutil.copy(report.parent / only, run)
    assert CAVEAT in Page(write_report(run)).text


def test_report_of_a_tuning_with_two_updates(bare: Callable[..., Path]) -> None:
    run = bare(command="tune", proxy_gold=curve([0, 0.1], [0.03, 0.03]))
    metrics(updates=2).to_csv(run / "metrics.csv", index=False)
    creatives(texts=1).to_parquet(run / "creatives.parquet", index=False)
    (run / "config.yaml").write_text("quick: true\n", encoding="utf-8")
    text = Page(write_report(run)).text
    assert "smoke-size run" in text
    assert "Learning to place" not in text


def test_no_summary_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"summary\.json: no such file"):
        write_report(tmp_path)


def test_written_twice_is_the_same(report: Path) -> None:
    first = report.read_bytes()
    assert write_report(report.parent).read_bytes() == first


@pytest.fixture(scope="module")
def side_by_side(report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of two runs."""
    folder = tmp_path_factory.mktemp("two")
    other = fill(folder / "other", summary() | {"lift": {name: interval(0.02) for name in ("ctr", "cvr", "reward")}})
    (other / "config.yaml").write_text("seed: 1\nconversion_value: 10.0\nppo:\n  kl_target: 5.0\n", encoding="utf-8")
    return run_report(ReportOptions((report.parent, other), folder / "both"))


def test_runs_side_by_side(side_by_side: Path) -> None:
    page = Page(side_by_side)
    assert "2 runs side by side" in page.text
    assert "run +19.0% (+17.0% to +21.0%)" in page.text
    assert "other +2.0% (+0.0% to +4.0%)" in page.text
    assert "On the Pareto front of reward and diversity, by their means: run." in page.text
    assert "seed 0 1" in page.text and "ppo.kl_target 10.0 5.0" in page.text
    assert "conversion_value 10.0 10.0" not in page.text
    assert {path.stem for path in (side_by_side.parent / "plots").iterdir()} >= {"lifts", "pareto", "gold"}


def test_rounds_side_by_side_have_an_interval_over_runs(tmp_path: Path) -> None:
    runs = [in_rounds(tmp_path / str(i), gained).parent for i, gained in enumerate((0.06, 0.08, 0.1))]
    page = Page(run_report(ReportOptions(tuple(runs), tmp_path / "all")))
    # Standard error 0.02 / sqrt(3), times the t quantile of two degrees of freedom, 4.303.
    assert "rewriting earned +8.0% (+3.0% to +13.0%) over the first round's texts, mean of 3 runs" in page.text
    assert "2 2 +10.0% (+8.0% to +12.0%) +10.0% (+8.0% to +12.0%)" in page.text


def test_report_of_one_run_is_written_again(report: Path) -> None:
    before = report.read_bytes()
    assert run_report(ReportOptions((report.parent,))).read_bytes() == before


def test_reports_that_cannot_be(report: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(report.parent, tmp_path / "other"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("keep")
    with pytest.raises(InputError, match="no run is named"):
        run_report(ReportOptions(()))
    with pytest.raises(InputError, match="is there already"):
        run_report(ReportOptions((report.parent, other), tmp_path / "full"))
    with pytest.raises(InputError, match=r"summary\.json: no such file"):
        run_report(ReportOptions((report.parent, tmp_path), tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_the_front_by_hand() -> None:
    # (2, 2) is beaten by (3, 2); the last two are equal, and neither beats the other
    assert front([(1, 3), (3, 2), (2, 2), (4, 1), (4, 1)]) == [True, True, False, True, True]


def in_rounds(folder: Path, gain: float) -> Path:
    """The report of a run of two rounds, of which the second gained so much."""

    def told(number: int, gained: float) -> dict:
        facts = {"on_show": 80, "entered": 80 * number, "retired": 40 * (number - 1)}
        lines = {name: {"reward": interval(0.3), **facts} for name in ("retrained", "first texts")}
        hours = [640.0 * number - 240, 640.0 * number]
        return {"round": number, "hours": hours, "lines": lines, "gain": interval(gained)} | dict.fromkeys(
            ("tuning", "texts"), interval(gained)
        )

    fill(folder, {"command": "loop", "rounds": [told(1, 0.0), told(2, gain)]})
    return write_report(folder)


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_rounds(tmp_path_factory.mktemp("rounds") / "run", 0.08)


def test_rounds_are_told_one_by_one(rounds: Path, tmp_path: Path) -> None:
    page = Page(rounds)
    assert "In round 2 rewriting earned +8.0% (+6.0% to +10.0%) over the first round's texts." in page.text
    assert "brought nothing" not in page.text
    assert "2, retrained 1,040 to 1,280 160 40 80 0.3000" in page.text
    assert "brought nothing that can be told from chance in round 2" in Page(in_rounds(tmp_path / "run", 0.01)).text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium")
@pytest.mark.parametrize("what", ["report", "side_by_side", "rounds"])
def test_chromium_sees_no_error(what: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    report: Path = request.getfixturevalue(what)
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    command = ["chromium", "--headless", "--no-sandbox", *quiet, "--enable-logging=stderr"]
    command += ["--window-size=390,9000", f"--screenshot={tmp_path / 'phone.png'}", report.as_uri()]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in seen.stderr  # what the page's own policy forbids, all that is fetched, would show here
    assert (tmp_path / "phone.png").is_file()


def test_words_of_the_field_are_explained_where_they_stand() -> None:
    found = words([Section("How it learned", ["It lost capture, and gold rose."])])
    assert found is not None and [row[0] for row in found.tables[0].rows] == ["gold", "capture"]
    assert words([Section("Golden days", ["Nothing here."])]) is None


def test_garbled_texts_are_said_first() -> None:
    assert findings.garbled({"readable": {"untuned": 0.5, "tuned": 0.08}}) == [
        "92% of the tuned writer's texts are garbled to the simulated users: not to be shown."
    ]
    assert not findings.garbled({"readable": {"tuned": 0.99}}) and not findings.garbled({})
    assert "Nobody looked" in findings.garbled({"readable": None})[0]  # a language that the reading does not know


def test_that_nobody_looked_at_texts_is_on_the_page_even_where_no_claims_are_read(bare: Callable[..., Path]) -> None:
    source = write_report(bare(readable=None, false_claims=None)).read_text(encoding="utf-8")
    assert "Nobody looked at whether the texts read well" in source


def test_reference_ads_stand_on_the_page_whether_they_tell_or_not(bare: Callable[..., Path]) -> None:
    for mean, said in ((-0.2, "fewer clicks"), (0.0, "no difference shown"), (0.2, "more clicks")):
        source = write_report(bare(reference_ads={"ads": 4, "lift": {"ctr": interval(mean)}})).read_text(
            encoding="utf-8"
        )
        assert said in source and "Against the reference ads" in source


def test_a_bandit_that_earns_less_with_tuned_texts_and_reference_ads_that_earn_more_are_said() -> None:
    def interval(mean: float) -> dict[str, float]:
        return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}

    grid = {"untuned": {"bandit": interval(0.31)}, "tuned": {"bandit": interval(0.28)}}
    (said,) = findings.lost_in_placement(grid)
    assert said.startswith("Placed by the bandit, the tuned writer's texts earn less than the untuned writer's: 0.28")
    assert not findings.lost_in_placement(grid | {"tuned": {"bandit": interval(0.32)}})
    own = {"ads": 111, "lift": {"ctr": interval(-0.18)}}
    (figure,) = findings.headlines({"reference_ads": own}, {})
    assert (
        figure.status == findings.BAD and "than the 111 reference ads of the same products: −18.0%" in figure.sentence
    )
    short = findings.fell_short({"grid": grid, "reference_ads": own, "readable": None}, {})
    assert [line.split()[0] for line in short] == ["Nobody", "Placed", "The"]


def test_runs_of_different_worlds_are_not_ranked(side_by_side: Path, tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("one", "two")]
    for run, scenario in zip(runs, ("shop", "feed"), strict=True):
        run.mkdir()
        lift = {name: {"mean": 0.1, "low": 0.0, "high": 0.2} for name in ("ctr", "cvr", "reward")}
        summary = {"command": "tune", "lift": lift, "diversity": {"untuned": 2.0, "tuned": 2.0}}
        (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        (run / "config.yaml").write_text(f"world:\n  scenario: {scenario}\n", encoding="utf-8")
    page = write_side_by_side(runs, tmp_path / "out").read_text(encoding="utf-8")
    assert "different worlds" in page and "Pareto front" not in page
    assert "different worlds" not in side_by_side.read_text(encoding="utf-8")
