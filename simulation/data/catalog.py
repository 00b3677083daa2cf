"""Products and the ad lines that are known for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from .errors import InputError
from .personal import personal, tell_personal
from .tables import check_table, finite, not_blank, read_table

EVERYONE = "everyone"
"""The audience of a creative that is written for no segment in particular."""
UNKNOWN = "unknown"
"""The segment of visitors of whom a log has none where it has others'; no text is written for it."""

CATALOG_SCHEMA = pa.DataFrameSchema(
    {
        "product_id": pa.Column(str, not_blank, unique=True, report_duplicates="exclude_first", coerce=True),
        "title": pa.Column(str, not_blank, coerce=True),
        "category": pa.Column(str, not_blank, coerce=True),
        "price": pa.Column(float, [finite, pa.Check.ge(0, error="a price of zero or more")], coerce=True),
        "brand": pa.Column(str, nullable=True, required=False, coerce=True),
        "description": pa.Column(str, nullable=True, required=False, coerce=True),
        "attributes": pa.Column(str, nullable=True, required=False, coerce=True),
        "images": pa.Column(str, nullable=True, required=False, coerce=True),
    },
    strict=False,
)

ADS_SCHEMA = pa.DataFrameSchema(
    {
        "product_id": pa.Column(str, coerce=True),
        "text": pa.Column(str, not_blank, coerce=True),
        "image": pa.Column(str, nullable=True, required=False, coerce=True),
    },
    strict=False,
)

QUERIES_SCHEMA = pa.DataFrameSchema(
    {"query": pa.Column(str, not_blank, coerce=True), "category": pa.Column(str, not_blank, coerce=True)}, strict=False
)

PHRASES_SCHEMA = pa.DataFrameSchema({"text": pa.Column(str, not_blank, coerce=True)}, strict=False)


@dataclass(frozen=True)
class Product:
    """One product as the writer and the world see it."""

    product_id: str
    title: str
    category: str
    price: float
    brand: str = ""
    description: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    images: tuple[str, ...] = ()
    """Names of its pictures, see `pictures/gallery.py`; the first is shown where nothing else is said."""

    @property
    def attribute_values(self) -> str:
        """The values of the attributes, as one text."""
        return ", ".join(value for _, value in self.attributes)


@dataclass(frozen=True)
class Creative:
    """One ad: a text for one product, written for one audience (a segment's name, or everyone), and a picture of it."""

    product_id: str
    text: str
    audience: str = EVERYONE
    image: str = ""
    """One of its product's `images`; "" for the first, where there are any (see `Catalog.image_of`)."""


@dataclass(frozen=True)
class Query:
    """What a visitor asks for, and the category where the answer lies."""

    text: str
    category: str


class Catalog:
    """Products in a fixed order; the position of a product in it is its index everywhere in tensors."""

    def __init__(
        self,
        products: Sequence[Product],
        ads: Sequence[Creative] = (),
        phrases: Sequence[str] = (),
        queries: Sequence[Query] = (),
    ) -> None:
        """Keeps products, their reference ads, phrases that fit any product (see `fill`), and what visitors ask.

        Raises:
            InputError: there is no product, or an ad names a product that is not there.
        """
        if not products:
            raise InputError("the catalog has no products; add at least one")
        self.products = tuple(products)
        self.index = {product.product_id: i for i, product in enumerate(self.products)}
        self.categories = tuple(dict.fromkeys(product.category for product in self.products))
        number = {name: i for i, name in enumerate(self.categories)}
        self.category_of = [number[product.category] for product in self.products]
        unknown = next((ad.product_id for ad in ads if ad.product_id not in self.index), None)
        if unknown is not None:
            raise InputError(f"an ad line names product '{unknown}', which the catalog does not have; add it")
        self.ads = tuple(ads)
        self.phrases = tuple(phrases)
        self.queries = tuple(queries)

    def __len__(self) -> int:
        return len(self.products)

    def __getitem__(self, product_id: str) -> Product:
        return self.products[self.index[product_id]]

    def product_indices(self, creatives: Iterable[Creative]) -> list[int]:
        """The index of each creative's product.

        Raises:
            InputError: a creative is for a product that is not in the catalog.
        """
        try:
            return [self.index[creative.product_id] for creative in creatives]
        except KeyError as error:
            raise InputError(
                f"a text is for product {error}, which the catalog does not have; add the product to it"
            ) from None

    def image_of(self, creative: Creative) -> str:
        """The picture that a creative is shown with; "" where its product has none."""
        return creative.image or next(iter(self[creative.product_id].images), "")

    def with_images(self, images: Mapping[str, Sequence[str]]) -> "Catalog":
        """The same catalog with other pictures, by product."""
        products = [replace(p, images=tuple(images.get(p.product_id, ()))) for p in self.products]
        return Catalog(products, self.ads, self.phrases, self.queries)

    def check_known(self, product_ids: pd.Series, source: str) -> None:
        """Raises InputError naming the first row of a table whose product is not in the catalog."""
        known = product_ids.isin(list(self.index)).to_numpy()
        if not known.all():
            first = int(known.argmin())
            raise InputError(
                f"{source}: row {product_ids.index[first] + 2}: product '{product_ids.iloc[first]}' is not in the "
                "catalog; add it there"
            )

    def checked_images(self, table: pd.DataFrame, column: str, source: str) -> list[str]:
        """What a table's column says of pictures, "" where it says nothing; all "" where it has no such column.

        Raises:
            InputError: the first row whose picture is none of its product's.
        """
        if column not in table:
            return [""] * len(table)
        images = table[column].fillna("").astype(str).str.strip()
        pairs = pd.DataFrame({"product": table.product_id, "image": images}).drop_duplicates()
        for row, product, image in pairs[pairs.image != ""].itertuples():
            if image not in self[product].images:
                has = ", ".join(self[product].images) or "none"
                raise InputError(
                    f"{source}: row {row + 2}: '{image}' is no picture of product '{product}', whose images are {has}; "
                    "correct it, or add it to the catalog"
                )
        return images.tolist()

    def texts(self) -> list[str]:
        """All words the catalog itself uses: product descriptions and reference ads."""
        described = [f"{p.title} {p.category} {p.brand} {p.description} {p.attribute_values}" for p in self.products]
        return described + [ad.text for ad in self.ads]

    def facts(self) -> dict[str, Any]:
        """All of it, as JSON holds it."""
        parts = {"products": self.products, "ads": self.ads, "queries": self.queries}
        return {name: [asdict(one) for one in part] for name, part in parts.items()} | {"phrases": list(self.phrases)}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "Catalog":
        """The catalog that `facts` told."""
        tuples = lambda p: {"attributes": tuple(map(tuple, p["attributes"])), "images": tuple(p.get("images", ()))}  # noqa: E731
        products = [Product(**(p | tuples(p))) for p in facts["products"]]
        ads, queries = [Creative(**ad) for ad in facts["ads"]], [Query(**query) for query in facts["queries"]]
        return cls(products, ads, facts["phrases"], queries)

    def with_ads(self, ads: Sequence[Creative]) -> "Catalog":
        """The same products and phrases with other reference ads."""
        return Catalog(self.products, ads, self.phrases, self.queries)

    def without_lines(self) -> "Catalog":
        """The same catalog with the words of its reference ads in the place of the ads, each once and in alphabetical
        order: what a reader knows words by, and no line that somebody wrote. What looks personal is left out.
        """
        words = sorted({word for ad in self.ads for word in ad.text.split() if not any(personal(word))})
        lines = [" ".join(words[i : i + 12]) for i in range(0, len(words), 12)]
        return self.with_ads([Creative(self.products[0].product_id, line) for line in lines])

    def some(self, n: int, seed: int) -> "Catalog":
        """At most n of its products, drawn at random and in their order, with their ads and the queries they answer."""
        drawn = np.random.default_rng(seed).choice(len(self), size=min(n, len(self)), replace=False)
        products = [self.products[i] for i in sorted(drawn)]
        ids, categories = {p.product_id for p in products}, {p.category for p in products}
        ads = [ad for ad in self.ads if ad.product_id in ids]
        return Catalog(products, ads, self.phrases, [query for query in self.queries if query.category in categories])

    def with_queries(self, queries: Sequence[Query]) -> "Catalog":
        """The same products, ads and phrases with what visitors ask."""
        return Catalog(self.products, self.ads, self.phrases, queries)

    def with_phrases(self, phrases: Sequence[str], per_product: int, seed: int = 0) -> "Catalog":
        """The same catalog with phrases, and with `per_product` more reference ads each, made of phrases at random."""
        random = np.random.default_rng(seed)
        more = [
            Creative(product.product_id, fill(phrases[int(i)], product, random))
            for product in self.products
            for i in random.choice(len(phrases), size=min(per_product, len(phrases)), replace=False)
        ]
        return Catalog(self.products, [*self.ads, *more], phrases, self.queries)

    @classmethod
    def read(
        cls, path: str | Path, ads: str | Path | None = None, columns: Mapping[str, str] | None = None
    ) -> "Catalog":
        """Reads a catalog file and, if given, a table of reference ads (`product_id, text`).

        Args:
            path: the catalog.
            ads: the table of ads.
            columns: the files' names of columns by our own, where they differ.

        Raises:
            InputError: see `read_table`; also an ad for a product that is not there.
        """
        catalog = cls(products_from(read_table(path, CATALOG_SCHEMA, "catalog", columns), str(path)))
        if ads is None:
            return catalog
        table = read_table(ads, ADS_SCHEMA, "table of ads", columns)
        catalog.check_known(table.product_id, str(ads))
        tell_personal(table.text, Path(ads).name)
        shown = catalog.checked_images(table, "image", str(ads))
        rows = zip(table.product_id, table.text, shown, strict=True)
        return catalog.with_ads([Creative(product, text, image=image) for product, text, image in rows])


def fill(phrase: str, product: Product, random: np.random.Generator) -> str:
    """Puts a product into a phrase: `{title}`, `{brand}` and `{detail}` (an attribute's value, drawn at random).

    What the product does not have is replaced by its title.
    """
    values = [value for _, value in product.attributes] or [product.title]
    detail = values[int(random.integers(len(values)))]
    text = phrase.format(title=product.title, brand=product.brand or product.title, detail=detail)
    return text[:1].upper() + text[1:]


def read_phrases(path: str | Path) -> tuple[str, ...]:
    """Reads a table of phrases, one column `text`.

    Raises:
        InputError: see `read_table`; also a placeholder that `fill` does not know.
    """
    phrases = read_table(path, PHRASES_SCHEMA, "table of phrases").text
    nobody = Product("", "", "", 0.0)
    for row, phrase in phrases.items():
        try:
            fill(phrase, nobody, np.random.default_rng(0))
        except (KeyError, IndexError, ValueError, AttributeError):
            raise InputError(
                f"{path}: row {int(str(row)) + 2}: {phrase!r} has a placeholder other than title, brand and detail; "
                "correct it"
            ) from None
    return tuple(phrases)


def read_queries(path: str | Path, catalog: Catalog) -> tuple[Query, ...]:
    """Reads a table of queries, columns `query` and `category`.

    Raises:
        InputError: see `read_table`; also a category that the catalog does not have.
    """
    table = read_table(path, QUERIES_SCHEMA, "table of queries")
    known = table.category.isin(catalog.categories).to_numpy()
    if not known.all():
        first = int(known.argmin())
        raise InputError(
            f"{path}: row {table.index[first] + 2}: category '{table.category.iloc[first]}' is not in the catalog, "
            f"which has {', '.join(catalog.categories)}; correct it"
        )
    return tuple(Query(query, category) for query, category in zip(table["query"], table.category, strict=True))


def products_from(frame: pd.DataFrame, source: str) -> list[Product]:
    """Makes products of a checked catalog table."""
    frame = check_table(frame, CATALOG_SCHEMA, source)
    optional = {name: "" for name in ("brand", "description", "attributes", "images") if name not in frame}
    frame = frame.assign(**optional).fillna({"brand": "", "description": "", "attributes": "", "images": ""})
    return [
        Product(
            product_id=row.product_id,
            title=row.title,
            category=row.category,
            price=row.price,
            brand=row.brand,
            description=row.description,
            attributes=attributes_from(row.attributes),
            images=tuple(dict.fromkeys(name.strip() for name in row.images.split(";") if name.strip())),
        )
        for row in frame.itertuples()
    ]


def attributes_from(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of name and value from `name=value;name=value`."""
    pairs = (item.partition("=") for item in text.split(";") if item.strip())
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)
