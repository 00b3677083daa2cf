"""Old encodings are read where nothing else can be meant, and refused where something else can."""

import pytest
from copybandit.simulation.data.reading.encodings import decode


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        ("Größe Müller Straße – 10 €", "cp1252", "cp1252"),
        ("crème brûlée, naïve cœur Noël", "cp1252", "cp1252"),
        ("mañana ¿Qué? ¡Sí! jalapeño", "latin-1", "cp1252"),
        ("coração, ações", "latin-1", "cp1252"),
        ("blåbær på smørrebrød", "latin-1", "cp1252"),
        ("Don’t wait — it’s “new”™", "cp1252", "cp1252"),
        ("运动鞋,新款上市，限时优惠", "gb18030", "GB18030"),
        ("商品,跑步鞋", "gbk", "GB18030"),
        ("価格,鍋", "utf-8", "UTF-8"),
        ("価格,鍋", "utf-8-sig", "UTF-8"),
        ("価格,鍋", "utf-16", "UTF-16"),
        ("価格,鍋", "utf-32", "UTF-32"),
    ],
)
def test_what_is_certain_is_read(text, encoding, name):
    assert decode(text.encode(encoding)) == (text, name)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("żółta łódź", "cp1250"),
        ("příliš žluťoučký kůň", "cp1250"),
        ("kočka a děti", "cp1250"),
        ("őszi cipő", "cp1250"),
        ("Ботинки новые", "cp1251"),
        ("ботинки", "koi8-r"),
        ("şık çanta", "cp1254"),
        ("αθλητικά", "cp1253"),
        ("靴を買う 新しい", "shift_jis"),
        ("靴を買う 新しい", "euc_jp"),
        ("신발 구두 새로운", "euc_kr"),
        ("運動鞋 新款 上市", "big5"),
        ("Größe", "cp850"),
        ("café déjà", "mac_roman"),
    ],
)
def test_what_may_be_something_else_is_not(text, encoding):
    with pytest.raises(UnicodeDecodeError) as caught:
        decode(text.encode(encoding))
    assert caught.value.reason == "not UTF-8, nor surely anything else"


def test_two_encodings_in_one_file_and_a_text_cut_short():
    for data in ("Größe café\n".encode() + "café".encode("latin-1"), "café".encode()[:-1]):
        with pytest.raises(UnicodeDecodeError):
            decode(data)


def test_zero_bytes_are_no_text():
    with pytest.raises(UnicodeDecodeError, match="UTF-16 without its mark"):
        decode("a,b".encode("utf-16-le"))
