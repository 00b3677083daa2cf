"""Every bad table is answered by one line that names the file, the row and the remedy."""

import gzip
import re

import pytest
from copybandit.simulation.data.catalog import Catalog
from copybandit.simulation.data.errors import InputError

HEADER = "product_id,title,category,price\n"
GOOD = "a,pan,kitchen,10\n"


def complaint(path) -> str:
    with pytest.raises(InputError) as caught:
        Catalog.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "file is empty; add a header"),
        (HEADER, "catalog has no rows; add at least one"),
        ("product_id,title,price\na,pan,1\n", "column 'category' is missing; the columns needed are .*category, price"),
        (HEADER + GOOD + "b,tent,outdoor,-1\n", r"row 3, column 'price': -1.0 is not a price of zero or more; correct"),
        (HEADER + GOOD + "b,tent,outdoor,cheap\n", "row 3, column 'price': 'cheap' is not a number; correct"),
        (HEADER + GOOD + "b,tent,outdoor,\n", "row 3, column 'price': is missing"),
        (HEADER + GOOD + "b,tent,outdoor,inf\n", "row 3, column 'price': inf is not a finite number"),
        (HEADER + GOOD + "a,tent,outdoor,1\n", "row 3, column 'product_id': 'a' stands there a second time"),
        (HEADER + GOOD + ",tent,outdoor,1\n", "row 3, column 'product_id': is missing"),
        (HEADER + GOOD + "  ,tent,outdoor,1\n", "row 3, column 'product_id': '  ' is not a text with something in it"),
        (HEADER + GOOD + "b,  ,outdoor,1\n", "row 3, column 'title'"),
        (HEADER + GOOD + "b,tent,outdoor,-1\nc,mat,outdoor,-2\n", r"row 3.*\(2 rows are wrong\)"),
        (HEADER + GOOD + "b,tent,outdoor,1,9,9\n", "row 3: 6 fields where the header has 4 names, .*quote"),
        (HEADER + "a,pan,kitchen,10,9\nb,pan,kitchen,10,9\n", "row 2: 5 fields where the header has 4 names"),
    ],
)
def test_bad_csv(tmp_path, content, expected):
    path = tmp_path / "catalog.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert re.search(expected, complaint(path))


@pytest.mark.parametrize("suffix", [".parquet", ".csv.gz"])
def test_bytes_that_are_no_table(tmp_path, suffix):
    path = tmp_path / f"catalog{suffix}"
    path.write_bytes(b"\x1f\x8bnot really")
    assert re.search("cannot be read as a table .*; give CSV or Parquet", complaint(path))


def test_a_file_broken_off(tmp_path):
    path = tmp_path / "catalog.csv.gz"
    path.write_bytes(gzip.compress((HEADER + GOOD * 1000).encode())[:-20])
    assert "cannot be read as a table" in complaint(path)


def test_no_file_and_a_directory(tmp_path):
    assert complaint(tmp_path / "none.csv") == "no such file; give the path of a catalog in CSV or Parquet"
    assert complaint(tmp_path).startswith("is a directory, not a file; give")


def test_good_tables_come_through_as_they_stand(tmp_path):
    path = tmp_path / "catalog.csv"
    path.write_text(
        "\ufeffproduct_id,title,category,price,extra\n007,Pfanne für zwei,Küche,0,x\n008,鍋,Küche,1e12,\n", "utf-8"
    )
    catalog = Catalog.read(path)
    assert [p.product_id for p in catalog.products] == ["007", "008"]
    assert catalog["008"].title == "鍋"
    assert catalog["008"].price == 1e12
    catalog_again = tmp_path / "catalog.csv.gz"
    catalog_again.write_bytes(gzip.compress(path.read_bytes()))
    assert Catalog.read(catalog_again).products == catalog.products


def test_parquet(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"product_id": [7, 8], "title": ["pan", None], "category": "kitchen", "price": [1, 2]})
    path = tmp_path / "catalog.parquet"
    frame.to_parquet(path)
    assert "row 3, column 'title': is missing" in complaint(path)
    frame.fillna("tent").to_parquet(path)
    assert [p.product_id for p in Catalog.read(path).products] == ["7", "8"]
