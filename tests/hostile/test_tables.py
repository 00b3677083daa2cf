"""Tables that want to break the reader: each is read rightly, or refused in one line."""

import bz2
import gzip
import io
import lzma
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from copybandit.experiments.analysis.abtest import verdicts
from copybandit.experiments.analysis.off_policy.contexts import Contexts
from copybandit.experiments.analysis.off_policy.policies import PROBABILITIES_SCHEMA
from copybandit.simulation.archive.tests import read_archive
from copybandit.simulation.data.catalog import Catalog
from copybandit.simulation.data.errors import InputError
from copybandit.simulation.data.log_format import read_log
from copybandit.simulation.data.open_bandit import read_open_bandit
from copybandit.simulation.data.tables import read_table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..experiments.test_damaged_input import ADS, ARCHIVE, CATALOG, CHANCES, ITEMS, LOG, PAGES
from .fuzz import TIMES, damaged, one_line, refusal, tried

COUNTS = pd.DataFrame({"test_id": "t", "text": ["a", "b"], "impressions": 100, "clicks": [3, 4]})
READERS = {
    "catalog": (CATALOG, Catalog.read),
    "ads": (ADS, lambda path: Catalog.read("catalog.csv", path)),
    "log": (LOG, read_log),
    "archive": (ARCHIVE, read_archive),
    "probabilities": (CHANCES, lambda path: read_table(path, PROBABILITIES_SCHEMA, "table of probabilities")),
    "counts": (COUNTS, lambda path: read_table(path, verdicts.COUNTS, "table of counts")),
}
PACKINGS = {"plain": lambda data: data, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("name", READERS)
def test_damaged_bytes(name):
    CATALOG.to_csv("catalog.csv", index=False)
    table, read = READERS[name]
    text = table.to_csv(index=False).encode()
    good = [text, text, text, text.replace(b",", b";"), text.decode().encode("utf-16"), gzip.compress(text)]
    path = Path("t.csv")

    def one(seed):
        path.write_bytes(damaged(good[seed % len(good)], seed))
        read(path)

    tried(f"{name} (CSV)", one, 60)


@pytest.mark.parametrize("name", ["catalog", "log"])
def test_damaged_parquet(name):
    table, read = READERS[name]
    file = io.BytesIO()
    table.to_parquet(file)
    path = Path("t.parquet")

    def one(seed):
        path.write_bytes(damaged(file.getvalue(), seed))
        read(path)

    tried(f"{name} (Parquet)", one, 60)


def test_damaged_open_bandit():
    Path("men").mkdir()

    def one(seed):
        tables = {"men": PAGES.to_csv(index=False).encode(), "item_context": ITEMS.to_csv(index=False).encode()}
        tables[list(tables)[seed % 2]] = damaged(tables[list(tables)[seed % 2]], seed)
        for name, data in tables.items():
            Path(f"men/{name}.csv").write_bytes(data)
        read_open_bandit("men")

    tried("Open Bandit", one, 60)


@settings(
    max_examples=round(100 * TIMES),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=4))
def test_any_texts_come_back_as_they_were_or_are_refused(tmp_path, texts):
    frame = CATALOG.iloc[: len(texts)].assign(title=texts)
    frame.to_csv("t.csv", index=False, quoting=1)
    try:
        catalog = Catalog.read("t.csv")
    except InputError as error:
        found = error
    else:
        found = None
        assert [product.title for product in catalog.products] == texts
    assert found is None or one_line(found)


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zip"])
def test_a_bomb_is_refused_by_a_stated_limit(packing):
    size = 2**27
    if packing == "zip":
        with zipfile.ZipFile("bomb.csv", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.csv", bytes(size))
    else:
        Path("bomb.csv").write_bytes(PACKINGS[packing](bytes(size)))
    with pytest.raises(InputError, match=r"unpack to more than 67,108,864; unpack it, give the plain file$"):
        Catalog.read("bomb.csv")


def test_packed_many_times_over_is_refused():
    data = CATALOG.to_csv(index=False).encode()
    Path("t.csv").write_bytes(gzip.compress(bz2.compress(data)))
    assert len(Catalog.read("t.csv")) == 4
    Path("t.csv").write_bytes(gzip.compress(gzip.compress(gzip.compress(data))))
    with pytest.raises(InputError, match="packed more than 2 times over"):
        Catalog.read("t.csv")


def test_zips_of_several_files_and_of_paths_that_climb():
    with zipfile.ZipFile("t.csv", "w") as archive:
        archive.writestr("../../out.csv", CATALOG.to_csv(index=False))
    assert len(Catalog.read("t.csv")) == 4
    assert not Path("../../out.csv").exists()
    with zipfile.ZipFile("t.csv", "a") as archive:
        archive.writestr("b.csv", "x")
    with pytest.raises(InputError, match="a zip of 2 files"):
        Catalog.read("t.csv")


def test_a_file_larger_than_memory_is_not_opened():
    with Path("t.csv").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match=r"1,099,511,627,776 bytes, at most 8,589,934,592 are read"):
        Catalog.read("t.csv")


def test_parquet_that_says_it_is_larger_than_memory():
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(f"c{i}", pa.int8()) for i in range(1200)])
    rows = pa.table({name: pa.array(np.zeros(10**6, np.int8)) for name in schema.names}, schema=schema)
    parquet.write_table(rows, "t.parquet", compression="zstd")
    assert Path("t.parquet").stat().st_size < 10**7
    with pytest.raises(InputError, match="1,000,000 rows of 1,200 columns"):
        Catalog.read("t.parquet")


def test_wide_headers_long_cells_and_open_quotes():
    Path("t.csv").write_text(",".join(f"c{i}" for i in range(100_000)) + "\n1\n")
    with pytest.raises(InputError, match="100,000 columns, at most 10,000 are read"):
        Catalog.read("t.csv")
    CATALOG.assign(title=["x" * 10**7, "b", "c", "d"]).to_csv("t.csv", index=False)
    assert len(Catalog.read("t.csv").products[0].title) == 10**7
    Path("t.csv").write_text(CATALOG.to_csv(index=False) + 'k9,"never closed,gear,1\n' + "k,p,g,1\n" * 1000)
    with pytest.raises(InputError, match="a quotation mark is opened and not closed"):
        Catalog.read("t.csv")


def test_a_header_over_two_lines_is_refused():
    Path("t.csv").write_text('product_id,title,category,price,"more\nand,more",x\nk,t,c,1,2,3\n')
    assert isinstance(refusal(Catalog.read, "t.csv"), InputError)


def test_what_a_message_quotes_steers_no_terminal():
    CATALOG.assign(price=["1", "2", "\x1b[2J\nok\u202e", "3"]).to_csv("t.csv", index=False)
    error = refusal(Catalog.read, "t.csv")
    assert r"'\x1b[2J\nok\u202e' is not a number" in str(error).replace("\\\\", "\\") and str(error).isprintable()


@pytest.mark.parametrize("time", ["9999-01-01T00:00:00Z", "0001-01-01", "1e19", "99999999999999999999"])
def test_times_beyond_what_64_bits_hold(time):
    LOG.assign(timestamp=time).to_csv("t.csv", index=False)
    with pytest.raises(InputError, match="row 2, column 'timestamp'"):
        read_log("t.csv")


def test_a_value_a_row_is_no_column_a_row():
    top = pd.DataFrame({"channel": "a", "context_query": [f"q{i}" for i in range(5000)]})
    contexts = Contexts()
    numbers = contexts.read(contexts.see(top), len(top))
    assert numbers.shape == (5000, 1 + 1 + 32) and "read as texts" in contexts.notes()[0]


@pytest.mark.skipif(os.name != "posix", reason="POSIX files")
def test_no_plain_file():
    os.mkfifo("pipe.csv")
    for path in ("pipe.csv", "/dev/zero", "x" * 5000, "a\0b"):
        assert one_line(refusal(Catalog.read, path))
