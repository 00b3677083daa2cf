"""Every file that a command reads, damaged: one clear line, the same whichever command reads it, and nothing is left.

Inputs are made here, small; each damage is a change to a good one, which `test_the_good_ones_are_read` holds good.
"""

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from copybandit.experiments.cli import main
from copybandit.simulation.archive.tests import read_archive
from copybandit.simulation.data.catalog import Catalog
from copybandit.simulation.data.log_format import read_log
from copybandit.simulation.data.open_bandit import read_open_bandit

PRODUCTS = ["k1", "k2", "o1", "o2"]
CATALOG = pd.DataFrame(
    {"product_id": PRODUCTS, "title": ["pan", "pot", "tent", "mat"], "category": "gear", "price": [4.5, 5, 6, 7]}
)
ADS = pd.DataFrame({"product_id": PRODUCTS, "text": [f"The best of {name}" for name in PRODUCTS]})
LOG = pd.DataFrame(
    {
        "impression_id": [f"i{i // 2}" for i in range(40)],
        "timestamp": [f"2026-03-02T08:{i // 2:02d}:00Z" for i in range(40)],
        "user_id": [f"u{i // 2 % 5}" for i in range(40)],
        "channel": "search",
        "position": [i % 2 for i in range(40)],
        "product_id": [PRODUCTS[i % 4] for i in range(40)],
        "creative_id": [f"c{i % 4}" for i in range(40)],
        "text": [f"Text {i % 4}" for i in range(40)],
        "propensity": [0.25, 1 / 3] * 20,
        "clicked": [1, 0, 0, 0] * 10,
        "converted": 0,
        "conversion_delay_s": None,
    }
)
ARCHIVE = pd.DataFrame(
    {
        "test_id": [f"t{i // 2}" for i in range(40)],
        "text": [f"Way {i} to do it" for i in range(40)],
        "impressions": 100,
        "clicks": [i % 7 for i in range(40)],
    }
)
PAGES = pd.DataFrame(
    {
        "timestamp": "2019-11-24T00:03:13Z",
        "item_id": [0, 1] * 10,
        "position": 1,
        "click": [1, 0] * 10,
        "propensity_score": 0.5,
        **{f"user_feature_{i}": "u" for i in range(4)},
    }
)
ITEMS = pd.DataFrame({"item_id": [0, 1], "item_feature_0": 0.5, **{f"item_feature_{i}": "x" for i in (1, 2, 3)}})
CHANCES = pd.DataFrame({"creative_id": ["c0", "c1"], "probability": [0.5, 0.5]})

GOOD = {"catalog": CATALOG, "ads": ADS, "log": LOG, "archive": ARCHIVE, "men/men": PAGES, "men/item_context": ITEMS}
GOOD["chances"] = CHANCES


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    (tmp_path / "men").mkdir()
    paths = {name: tmp_path / f"{name}.csv" for name in GOOD}
    for name, table in GOOD.items():
        table.to_csv(paths[name], index=False)
    return paths


STUDIES = ("loop", "tune", "pareto")


def commands(file: str, paths: dict[str, Path], tiny: Path) -> list[list[object]]:
    """Every command that reads a file, and how it is given it."""
    offline, calibrate = ["offline", "--policy", "uniform"], ["calibrate"]
    study = [[name, "--quick", "--scenario", tiny] for name in STUDIES]
    catalog, folder = ["--catalog", paths["catalog"]], ["--open-bandit", paths["men/men"].parent]
    readers = {
        "catalog": [*(c + catalog for c in study), [*calibrate, "--logs", paths["log"], *catalog]],
        "ads": [[*c, *catalog, "--ads", paths["ads"]] for c in study],
        "log": [[*c, "--logs", paths["log"]] for c in (offline, calibrate, *study)],
        "archive": [
            *([name, "--archive", paths["archive"]] for name in ("headlines", "calibrate", *STUDIES)),
            ["headlines", "--archive", paths["archive"], "--test", paths["archive"]],
        ],
        "men/men": [offline + folder, calibrate + folder, [*offline, *folder, "--on-policy", folder[1]]],
        "chances": [["offline", "--logs", paths["log"], "--policy", paths["chances"]]],
    }
    readers["men/item_context"] = readers["men/men"]
    return readers[file]


def refused(command: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says of bad input, its name aside."""
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in [*command, "--out", "out"]])
    assert stopped.value.code == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    assert not Path("out").exists()
    return said.removeprefix(f"copybandit {command[0]}: ")


Damage = Callable[[pd.DataFrame], pd.DataFrame | bytes]


def put(column: str, value: object, row: int = 4) -> Damage:
    """Another value in a row; row 4 of the table is row 6 of the file."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        return table.astype({column: object}).assign(
            **{column: [*table[column][:row], value, *table[column][row + 1 :]]}
        )

    return change


def twice(column: str, name: str) -> Damage:
    return lambda table: table.to_csv(index=False).replace(f"{column}", name, 1).encode()


def cut(table: pd.DataFrame) -> bytes:
    text = table.to_csv(index=False).rstrip("\n")
    return (
        text[: text.rindex(",", 0, text.rindex(","))].encode()
        if table.shape[1] > 2
        else text[: text.rindex(",")].encode()
    )


ANY: list[tuple[str, Damage, str]] = [
    ("empty", lambda table: b"", "the file is empty; add a header and at least one row"),
    ("no rows", lambda table: table.iloc[:0], "has no rows; add at least one"),
    ("cut", cut, "as if the file was cut; bring all of it"),
    ("cut in its packing", lambda table: gzip.compress(table.to_csv().encode())[:-9], "cannot be read as a table"),
    ("a workbook", lambda table: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64), "an Excel workbook; save"),
    ("JSON", lambda table: table.to_json(orient="records").encode(), "looks like JSON; save"),
    ("bytes", lambda table: b"\x00\x01\x02" * 30, "zero bytes: UTF-16 without its mark, or no text"),
]
FIRST = {"catalog": "title", "ads": "text", "log": "channel", "archive": "text", "men/men": "click"}
FIRST |= {"men/item_context": "item_feature_0", "chances": "probability"}
"""A column that is needed, by file."""

OWN: list[tuple[str, Damage, str]] = [
    ("catalog", put("product_id", "k1", 2), "row 4, column 'product_id': 'k1' stands there a second time"),
    ("catalog", put("price", -1, 2), "row 4, column 'price': -1.0 is not a price of zero or more"),
    ("catalog", put("price", None, 2), "row 4, column 'price': the cell is empty"),
    ("catalog", put("price", "cheap", 2), "row 4, column 'price': 'cheap' is not a number"),
    ("catalog", twice("title", "price"), "column 2 ('price') and column 4 ('price') are both 'price'"),
    ("ads", put("product_id", "zz", 2), "row 4: product 'zz' is not in the catalog; add it there"),
    ("ads", put("text", None, 2), "row 4, column 'text': the cell is empty"),
    ("log", put("impression_id", "i1"), "row 6: impression 'i1' has position 0 a second time"),
    ("log", put("clicked", 2), "row 6, column 'clicked': 2.0 is not 0 or 1"),
    ("log", put("clicked", None), "row 6, column 'clicked': the cell is empty"),
    ("log", put("converted", 1, 5), "row 7: converted without a click; correct the row"),
    ("log", put("propensity", 0), "row 6, column 'propensity': 0.0 is not in (0, 1]"),
    ("log", put("propensity", 1.5), "row 6, column 'propensity': 1.5 is not in (0, 1]"),
    ("log", put("propensity", "x"), "row 6, column 'propensity': 'x' is not a number"),
    ("log", put("timestamp", "soon"), "row 6, column 'timestamp': 'soon' is not a time that can be read"),
    ("log", put("timestamp", "2026-03-02T07:00:00Z", 5), "row 7: time runs backwards in impression 'i2'"),
    (
        "log",
        put("timestamp", "2026-03-02T08:02:00"),
        "row 6, column 'timestamp': '2026-03-02T08:02:00' has no time zone",
    ),
    ("log", put("conversion_delay_s", -1), "row 6, column 'conversion_delay_s': -1.0 is not a delay of zero or more"),
    ("log", put("position", 2, 5), "row 7: impression 'i2' has position 2 and none of 1"),
    ("log", put("user_id", "u9", 5), "row 7: impression 'i2' has another user_id than in the slot above"),
    ("log", put("user_id", None), "row 6, column 'user_id': the cell is empty"),
    ("log", twice("converted", "clicked"), "are both 'clicked'; rename or remove one of them"),
    ("archive", put("clicks", 101), "row 6: 101 clicks of 100 impressions; correct the row"),
    ("archive", put("clicks", -1), "row 6, column 'clicks': -1.0 is not a count of zero or more"),
    ("archive", put("clicks", None), "row 6, column 'clicks': the cell is empty"),
    ("archive", put("impressions", 99.5), "row 6, column 'impressions': 99.5 is not a whole number"),
    ("archive", put("test_id", None), "row 6, column 'test_id': the cell is empty"),
    ("men/men", put("click", 2), "row 6, column 'click': 2.0 is not 0 or 1"),
    ("men/men", put("propensity_score", 0), "row 6, column 'propensity_score': 0.0 is not in (0, 1]"),
    ("men/men", put("propensity_score", 1.5), "row 6, column 'propensity_score': 1.5 is not in (0, 1]"),
    ("men/men", put("propensity_score", None), "row 6, column 'propensity_score': the cell is empty"),
    ("men/men", put("timestamp", "soon"), "row 6, column 'timestamp': 'soon' is not a time that can be read"),
    ("men/men", put("item_id", 7), "row 6: item 7 is not in item_context.csv"),
    ("men/item_context", put("item_id", 0, 1), "row 3, column 'item_id': 0.0 stands there a second time"),
    ("chances", put("creative_id", "c0", 1), "row 3: creative 'c0' stands there twice"),
    ("chances", put("probability", None, 1), "row 3, column 'probability': the cell is empty"),
    ("chances", put("probability", -0.5, 1), "row 3, column 'probability': -0.5 is not zero or more"),
]
ALL = [(file, name, damage, says) for file in GOOD for name, damage, says in ANY]
ALL += [
    (file, "no column", lambda table, name=name: table.drop(columns=name), f"column '{name}' is missing; the columns")
    for file, name in FIRST.items()
]
ALL += [(file, says, damage, says) for file, damage, says in OWN]


@pytest.mark.slow  # a second each, five commands in it
@pytest.mark.parametrize(("file", "name", "damage", "says"), ALL, ids=[f"{file}: {name}" for file, name, *_ in ALL])
def test_the_same_line_from_whichever_command_reads_it(files, tiny_file, capsys, file, name, damage, says):
    damaged = damage(GOOD[file])
    content = damaged if isinstance(damaged, bytes) else damaged.to_csv(index=False).encode()
    files[file].write_bytes(content)
    lines = {refused(command, capsys) for command in commands(file, files, tiny_file)}
    said = {line.replace("; is it there by another name, give --columns", "") for line in lines}
    assert all(line.startswith(f"{files[file]}: ") and says in line for line in lines), lines
    # What each command needs of a log differs, and so does what it says that it needs.
    assert len(said) == 1 or name == "no column"
    assert files[file].read_bytes() == content


def test_a_channel_that_the_world_does_not_have(files, tiny_file, capsys):
    put("channel", "fax", 4)(put("channel", "fax", 5)(LOG)).to_csv(files["log"], index=False)
    studies = [command for command in commands("log", files, tiny_file) if command[0] in STUDIES]
    lines = {refused(command, capsys) for command in studies}
    assert lines == {
        f"{files['log']}: row 6: channel 'fax' is not in the world, which has search, feed; correct it, or let "
        f"`copybandit calibrate --logs {files['log']}` fit a world with your channels, and give that as --scenario in "
        "place of your files"
    }


@pytest.mark.parametrize(
    "command", ["loop", "tune", "pareto", "compare", "headlines", "offline", "calibrate", "benchmark"]
)
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"seed: [1,", "not readable as YAML"),
        (b"- seed\n- 1\n", "not a mapping of options; write lines such as `seed: 1`"),
        (b"sead: 1\n", "unknown option 'sead', perhaps seed"),
        (b"seed: soon\n", "seed: Input should be a valid integer"),
        (b"seed: .nan\n", "seed: Input should be a"),
        (b"\xff\xfe\x00", "not readable as YAML"),
        (b"seed: 1\nseed: 2\n", "row 2: 'seed' stands there a second time"),
    ],
)
def test_a_damaged_config(capsys, command, content, says):
    Path("mine.yaml").write_bytes(content)
    said = refused([command, "--config", "mine.yaml"], capsys)
    assert said.startswith("mine.yaml: ") and says in said


def test_a_full_directory_is_not_written_over(files, tiny_file, capsys):
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    for command in commands("log", files, tiny_file):
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in [*command, "--out", "full"]])
        assert stopped.value.code == 2
        assert "full: is there already and not empty; choose another --out" in capsys.readouterr().err
    assert [path.name for path in Path("full").iterdir()] == ["mine.txt"]


def test_the_good_ones_are_read(files):
    catalog = Catalog.read(files["catalog"], files["ads"])
    assert len(read_log(files["log"], catalog)) == 40
    assert len(read_archive(files["archive"])) == 20
    assert len(read_open_bandit(files["men/men"].parent)) == 20
