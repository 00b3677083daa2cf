import numpy as np
import pytest
from copybandit.simulation.data.catalog import Catalog, Creative, Product, Query, fill, read_phrases
from copybandit.simulation.data.errors import InputError

PAN = Product("k1", "iron pan", "kitchen", 40.0, "Harrow", attributes=(("size", "12 inch"),))
PLAIN = Product("o2", "trail lamp", "outdoor", 30.0)


def test_products_as_read(tiny_catalog):
    assert [p.product_id for p in tiny_catalog.products] == ["k1", "k2", "o1", "o2"]
    assert tiny_catalog.categories == ("kitchen", "outdoor")
    assert tiny_catalog.category_of == [0, 0, 1, 1]
    assert tiny_catalog["k1"].attributes == (("material", "iron"), ("size", "12 inch"))
    assert tiny_catalog["k1"].attribute_values == "iron, 12 inch"
    assert (tiny_catalog["o2"].brand, tiny_catalog["o2"].attributes) == ("", ())
    assert tiny_catalog.product_indices(tiny_catalog.ads) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize(
    ("product", "text"),
    [(PAN, "The iron pan by Harrow: 12 inch"), (PLAIN, "The trail lamp by trail lamp: trail lamp")],
)
def test_fill(product, text, rng):
    assert fill("the {title} by {brand}: {detail}", product, rng) == text


def test_with_phrases_adds_the_same_lines_every_time():
    catalog = Catalog([PAN, PLAIN], [Creative("k1", "old")])
    more = catalog.with_phrases(["buy {title}", "get {title}", "see {title}"], per_product=2)
    assert len(more.ads) == 1 + 2 * 2
    assert more.ads == catalog.with_phrases(["buy {title}", "get {title}", "see {title}"], per_product=2).ads
    assert len({ad.text for ad in more.ads[1:]}) == 4
    assert len(catalog.with_phrases(["only {title}"], per_product=5).ads) == 1 + 2


def test_some_products_come_with_their_ads_and_the_queries_they_answer(tiny_catalog):
    whole = tiny_catalog.with_queries([Query("one", category) for category in tiny_catalog.categories])
    part = whole.some(2, seed=0)
    ids = [product.product_id for product in part.products]
    assert len(ids) == 2 and [p.product_id for p in whole.products if p.product_id in ids] == ids
    assert list(part.ads) == [ad for ad in whole.ads if ad.product_id in ids] != []
    assert {query.category for query in part.queries} == set(part.categories)
    assert [p.product_id for p in whole.some(2, seed=0).products] == ids
    assert len({tuple(p.product_id for p in whole.some(2, seed=s).products) for s in range(20)}) > 1
    assert whole.some(99, seed=0).products == whole.products


def test_a_catalog_needs_products_and_knows_its_ads():
    with pytest.raises(InputError, match="no products; add at least one"):
        Catalog([])
    with pytest.raises(InputError, match="'zz', which the catalog does not have"):
        Catalog([PAN], [Creative("zz", "who?")])


def test_an_ad_for_no_product_is_named_by_row(tmp_path, tiny_file):
    ads = tmp_path / "ads.csv"
    ads.write_text("product_id,text\nk1,fine\nzz,who\n")
    with pytest.raises(InputError, match=r"ads.csv: row 3: product 'zz' is not in the catalog; add it there"):
        Catalog.read(tiny_file.parent / "tiny" / "catalog.csv", ads)


@pytest.mark.parametrize("phrase", ["{titel} now", "{} now", "{title now", "{title.nope}"])
def test_a_phrase_with_an_unknown_placeholder_is_named_by_row(tmp_path, phrase):
    path = tmp_path / "phrases.csv"
    path.write_text(f"text\nfine {{title}}\n{phrase}\n")
    with pytest.raises(InputError, match=r"phrases.csv: row 3: .* placeholder other than title, brand and detail"):
        read_phrases(path)


def test_every_phrase_of_the_shop_fits_every_product(shop):
    random = np.random.default_rng(0)
    texts = {fill(phrase, product, random) for phrase in shop.catalog.phrases for product in (PAN, PLAIN)}
    assert not any("{" in text for text in texts)
