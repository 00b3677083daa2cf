"""Every bad table is answered by one line that names the file, the row and the remedy."""

import bz2
import gzip
import io
import re
import zipfile

import pandas as pd
import pytest
from copybandit.simulation.data.catalog import Catalog
from copybandit.simulation.data.columns import ColumnNames, canonical, parse_columns, refuse_unmet
from copybandit.simulation.data.errors import InputError
from pydantic import TypeAdapter

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
        ("Product-ID,Title,Preis\na,pan,1\n", "needed are .*category, price, it has Product-ID, Title, Preis$"),
        ("product_id,title,price\na,pan,1\n", "column 'category' is missing; the columns needed are .*category, price"),
        (HEADER + GOOD + "b,tent,outdoor,-1\n", r"row 3, column 'price': -1.0 is not a price of zero or more; correct"),
        (HEADER + GOOD + "b,tent,outdoor,cheap\n", "row 3, column 'price': 'cheap' is not a number; correct"),
        (HEADER + GOOD + "b,tent,outdoor,\n", "row 3, column 'price': the cell is empty"),
        (HEADER + GOOD + "b,tent,outdoor,inf\n", "row 3, column 'price': inf is not a finite number"),
        (HEADER + GOOD + "a,tent,outdoor,1\n", "row 3, column 'product_id': 'a' stands there a second time"),
        (HEADER + GOOD + ",tent,outdoor,1\n", "row 3, column 'product_id': the cell is empty"),
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
    frame = pd.DataFrame({"product_id": [7, 8], "title": ["pan", None], "category": "kitchen", "price": [1, 2]})
    path = tmp_path / "catalog.parquet"
    frame.to_parquet(path)
    assert "row 3, column 'title': the cell is empty" in complaint(path)
    frame.fillna("tent").to_parquet(path)
    assert [p.product_id for p in Catalog.read(path).products] == ["7", "8"]


ROWS = "a,pan,kitchen,10.5\nb,tent,outdoor,1250\n"
"""What every table below says."""


def products(tmp_path, content: str | bytes, name: str = "catalog.csv", **columns: str) -> list[tuple]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(p.product_id, p.title, p.category, p.price) for p in Catalog.read(path, None, columns).products]


def zipped(*names: str) -> bytes:
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        for name in names:
            archive.writestr(name, HEADER + ROWS)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEADER + ROWS, None),
        (gzip.compress((HEADER + ROWS).encode()), "gzip"),
        (bz2.compress((HEADER + ROWS).encode()), "bzip2"),
        (zipped("catalog.csv", "__MACOSX/._catalog.csv"), "zip"),
        ((HEADER + ROWS).encode("utf-16"), "UTF-16"),
        ((HEADER + ROWS).replace(",", "\t"), "tabs between columns"),
        ((HEADER + ROWS).replace(",", "|"), "bars between columns"),
        (
            (HEADER + ROWS).replace(",", ";").replace("10.5", "10,50").replace("1250", "1.250"),
            "semicolons .*decimal comma",
        ),
        (HEADER + 'a,pan,kitchen,"$10.50"\nb,tent,outdoor,"$1,250.00"\n', "decimal point"),
        ("Catalog of the shop\n2026-11-27\n\n" + HEADER + ROWS, "3 lines above the header left out"),
        ("sep=;\n" + (HEADER + ROWS).replace(",", ";"), "1 line above"),
        (HEADER.replace("product_id", "Product ID") + ROWS, "'Product ID' as product_id"),
        (HEADER + ROWS + "Total,,,1260.5\n", "a total in row 4 left out"),
        (HEADER + ROWS + "Gesamt: alle,--,--,99\nTotal,,,9\n", "totals in row 4, 5 left out"),
        (HEADER + ROWS + ",,,1260.5\n", "a total in row 4 left out"),
        (HEADER + ROWS + "合计,,,1260.5\n", "a total in row 4 left out"),
        ((HEADER + ROWS).replace("\n", "\r\n") + ",,,\r\n\r\n", None),
        ("," + HEADER + "0," + ROWS.replace("\nb", "\n1,b"), None),
    ],
    ids=lambda value: "packed" if isinstance(value, bytes) else None,  # packed bytes hold the time
)
def test_the_same_table_written_otherwise(tmp_path, caplog, content, said):
    with caplog.at_level("INFO"):
        found = products(tmp_path, content)
    assert found == [("a", "pan", "kitchen", 10.5), ("b", "tent", "outdoor", 1250.0)]
    assert [re.search(said or "", record.message) is not None for record in caplog.records] == [True] * (
        said is not None
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (HEADER.replace("category", "price") + ROWS, r"column 3 \('price'\) and column 4 \('price'\) are both 'price'"),
        ("price,Price,title,category,product_id\n1,2,a,b,c\n", r"column 1 \('price'\) and column 2 \('Price'\)"),
        (zipped("a.csv", "b.csv"), "a zip of 2 files; give one that holds the table alone"),
        (zipped("xl/workbook.xml"), "an Excel workbook; save its sheet as CSV"),
        ("<html><body>\n", "looks like HTML or XML; save the catalog as CSV or Parquet"),
        (HEADER + ROWS + '"c,mat,outdoor,1\n', "a quotation mark is opened and not closed"),
        (HEADER + ROWS + "c,mat", "row 4: 2 of 4 fields and no end of line, as if the file was cut"),
        (HEADER + "1.23E+11,mat,outdoor,1\n", "'1.23E[+]11' has lost its last digits"),
        (HEADER + "Total,,,1\n", "no rows but totals"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path, content, says):
    path = tmp_path / "catalog.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert re.search(says, complaint(path))


def test_a_product_called_total_is_no_total(tmp_path):
    found = products(tmp_path, HEADER + ROWS + "c,Total,gear,3\nTotal: X,Total care,gear,4\n")
    assert [title for _, title, *_ in found] == ["pan", "tent", "Total", "Total care"]


@pytest.mark.parametrize("name", ["catalog.csv", "catalog.parquet"])
def test_words_for_nothing_are_texts(tmp_path, name):
    frame = pd.DataFrame(
        {"product_id": ["NA", "nan"], "title": ["None", "null"], "category": "NaN", "price": 1.0, "brand": ["NA", None]}
    )
    path = tmp_path / name
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    first, second = Catalog.read(path).products
    assert (first.product_id, first.title, first.category, first.brand) == ("NA", "None", "NaN", "NA")
    assert (second.product_id, second.title, second.brand) == ("nan", "null", "")


@pytest.mark.parametrize(
    "ids", [[1008.0, 1009.0], pd.array([1008, 1009], "Int64"), ["1008.0", "1009.0"], ["1008", "1009"]]
)
@pytest.mark.parametrize("name", ["catalog.csv", "catalog.parquet"])
def test_ids_that_became_fractions_are_whole_again(tmp_path, ids, name):
    frame = pd.DataFrame({"product_id": ids, "title": "t", "category": "c", "price": 1})
    path = tmp_path / name
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    assert [p.product_id for p in Catalog.read(path).products] == ["1008", "1009"]


def test_an_index_that_pandas_wrote_is_a_column(tmp_path):
    frame = pd.DataFrame({"product_id": ["007"], "title": "t", "category": "c", "price": 1}).set_index("product_id")
    frame.to_parquet(tmp_path / "catalog.parquet")
    assert Catalog.read(tmp_path / "catalog.parquet").products[0].product_id == "007"


def test_names_that_are_given(tmp_path):
    other = HEADER.replace("title", "Name")
    assert products(tmp_path, other + ROWS, title="Name")[0][1] == "pan"
    with pytest.raises(InputError, match="--columns title=Headline: no column 'Headline'; it has product_id, Name"):
        products(tmp_path, other + ROWS, title="Headline")
    with pytest.raises(InputError, match=r"column 'title' is missing; .* give --columns title=NAME"):
        products(tmp_path, other + ROWS)
    with pytest.raises(InputError, match=r"column 2 \('title'\) and column 4 \('price'\) are both 'title'"):
        products(tmp_path, HEADER + ROWS, title="price")


def test_pairs_of_names():
    assert parse_columns('text=Headline,clicked = Clicks,"cost=Cost, total"') == {
        "text": "Headline",
        "clicked": "Clicks",
        "cost": "Cost, total",
    }
    assert parse_columns("") == {}
    assert TypeAdapter(ColumnNames).validate_python({"cost": "Cost, total"}) == '"cost=Cost, total"'
    for wrong in ("text", "text=", "text=A,text=B", "text=A,clicked=A"):
        with pytest.raises(InputError, match="--columns"):
            parse_columns(wrong)


@pytest.fixture
def catalog_and_ads(tmp_path):
    (tmp_path / "c.csv").write_text("SKU,title,category,price\np,Pan,kitchen,5\n")
    (tmp_path / "a.csv").write_text("product_id,text\np,A pan\n")
    return tmp_path / "c.csv", tmp_path / "a.csv"


def test_a_name_may_be_that_of_one_of_two_files(catalog_and_ads):
    columns = parse_columns("product_id=SKU")
    Catalog.read(*catalog_and_ads, columns)
    refuse_unmet(columns, *catalog_and_ads)


def test_a_name_that_neither_file_has_is_refused(catalog_and_ads):
    columns = parse_columns("product_id=Artikel-Nr|SKU")
    assert canonical(["SKU", "Titel"], ["product_id"], columns) == ["product_id", "Titel"]
    assert canonical(["Artikel-Nr", "Titel"], ["product_id"], columns) == ["product_id", "Titel"]
    Catalog.read(*catalog_and_ads, columns)
    refuse_unmet(columns, *catalog_and_ads)
    columns = parse_columns("product_id=SKU,price=lst_price")
    Catalog.read(*catalog_and_ads, columns)
    with pytest.raises(InputError, match=r"c.csv, .*a.csv: --columns price=lst_price: no column 'lst_price'"):
        refuse_unmet(columns, *catalog_and_ads, None)
