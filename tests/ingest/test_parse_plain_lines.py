"""Lines in the plain form are read by columns, to the same texts as one by one; any other form is left alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_contract import column, contract

from core.contract import Contract
from ingest.parse import parse, records
from ingest.parse.plain_lines import plain_columns

PLAIN = b'{"id":"a","at":null,"x":10.50}\n{"id":"1,\\u0022","at":"t","x":-1e-05}\n'.replace(rb"\u0022", "，".encode())


def agreed() -> Contract:
    return contract(column("id", key_position=1), column("at"), column("x", "number"))


def one_by_one(body: bytes, media: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str | None, ...]]:
    with monkeypatch.context() as patched:
        patched.setattr(records, "plain_columns", lambda _: None)
        return parse(body, media, agreed()).frame.rows()


def test_numbers_keep_their_digits_and_null_is_nothing() -> None:
    found = plain_columns(PLAIN)
    assert found is not None
    assert {name: column.to_list() for name, column in found.items()} == {
        "id": ["a", "1,，"],
        "at": [None, "t"],
        "x": ["10.50", "-1e-05"],
    }


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": "a","at":null}\n',
        b'{"id":"a","at":null}\n{"at":null,"id":"b"}\n',
        b'{"id":"a","at":null}\n{"id":"b"}\n',
        b'{"id":"a","at":null}\n{"id":"b","at":1,"x":2}\n',
        b'{"id":"a","at":null}\n{"id":"b","at":1,"at":2}\n',
        b'{"id":"a","id":"b"}\n',
        b'{"id":"a\\"b","at":1}\n',
        b'{"id":"a","at":{"y":1}}\n',
        b'{"id":"a","at":[1,"at":2]}\n',
        b'{"id":"a","at":NaN}\n',
        b'{"id":"a","at":01}\n',
        b'{"id":"a","at":1}\n\n{"id":"b","at":1}\n',
        b'{"id":"a","at":1}\r\n{"id":"b","at":1}\n',
        b'{"id":"a","at":"\x1f"}\n',
        b'{"id":"a","at":"\xff"}\n',
        b'{"id":"a","at":}\n',
        b'{"id":"a","at":""x"}\n',
        b'\xef\xbb\xbf{"id":"a"}\n',
        b"{}\n",
        b"[1]\n",
        b"no json\n",
    ],
)
def test_any_other_form_is_left_to_the_whole_reader(body: bytes) -> None:
    assert plain_columns(body) is None


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs",))),
    st.sampled_from(["null", "true", ',"at":', '},{"id":', "1.50", "{", ""]),
)
rows = st.lists(st.fixed_dictionaries({"id": values, "at": values, "x": values}), min_size=1, max_size=6)


@given(rows)
def test_both_readers_say_the_same(found: list[dict[str, object]]) -> None:
    texts = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in found]
    with pytest.MonkeyPatch.context() as monkeypatch:
        for media, body in (("ndjson", "\n".join(texts)), ("json", f"[{','.join(texts)}]")):
            expected = one_by_one(body.encode(), media, monkeypatch)
            assert parse(body.encode(), media, agreed()).frame.rows() == expected
