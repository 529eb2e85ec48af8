"""CAP in: the samples of OASIS and of the national centre, and bytes that mean harm."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.cap.read import MOST_BYTES, CapError, read

HEAD = "<identifier>i</identifier><sender>s</sender><sent>2026-06-01T00:00:00+08:00</sent><status>Actual</status>"
ALERT = (
    '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">' + HEAD + "<msgType>Alert</msgType><scope>Public</scope>"
    "<info><event>{event}</event>{more}</info></alert>"
)


def message(event: str = "rain", more: str = "") -> bytes:
    return ALERT.format(event=event, more=more).encode()


@pytest.fixture
def samples(shared_dir: Path) -> Path:
    return shared_dir / "protocols" / "cap"


@pytest.mark.shared
def test_the_samples_of_oasis(samples: Path) -> None:
    found = {path.stem: read(path.read_bytes()) for path in sorted(samples.glob("oasis_A*.xml"))}
    assert [(one.form, one.identifier, one.msg_type) for one in found.values()] == [
        ("cap:1.2", "43b080713727", "Alert"),
        ("cap:1.2", "KSTO1055887203", "Alert"),
        ("cap:1.2", "TRI13970876.2", "Update"),
        ("cap:1.2", "KAR0-0306112239-SW", "Alert"),
    ]
    storm = found["oasis_A2"].infos[0]
    (ring,) = storm.areas[0].polygons
    assert ring[0] == ring[-1] == (38.47, -120.14)
    assert [code for _, code in storm.areas[0].geocodes] == ["006109", "006009", "006003"]
    assert storm.expires_at == datetime.fromisoformat("2003-06-17T16:00:00-07:00")
    assert storm.event_codes == (("SAME", "SVR"),)
    quake = found["oasis_A3"]
    (reference,) = quake.references
    assert (reference.sender, reference.identifier) == ("trinet@caltech.edu", "TRI13970876.1")
    assert quake.infos[0].areas[0].circles == ((32.9525, -115.5527, 0.0),)
    assert dict(quake.infos[0].parameters)["Magnitude"] == "3.4 Ml"
    assert [info.language for info in found["oasis_A4"].infos] == ["en-US", "es-US"]
    assert found["oasis_A4"].infos[1].event == "Abducción de Niño"


@pytest.mark.shared
def test_the_national_form(samples: Path) -> None:
    record = read((samples / "china_nweis_41000041600000.xml").read_bytes())
    assert (record.form, record.sender, record.msg_type) == ("national", "41000041600000", "Update")
    assert record.sent_at == datetime.fromisoformat("2020-02-05T10:45:00+08:00")
    assert [one.identifier for one in record.references] == ["41000041600000_20200204121842"]
    (info,) = record.infos
    assert (info.event, info.colour, info.severity, info.urgency) == ("11B06", "blue", "Minor", "Unknown")
    assert (info.onset_at, info.expires_at) == (None, None)
    assert info.areas[0].geocodes == (("area_code", "410000000000"),)
    assert info.areas[0].polygons == ()


def test_cap_1_1_and_older_words() -> None:
    old = message(more="<certainty>Very Likely</certainty>").replace(b"cap:1.2", b"cap:1.1")
    record = read(old)
    assert (record.form, record.infos[0].certainty, record.infos[0].severity) == ("cap:1.1", "Likely", "Unknown")


def test_chinese_encodings_are_read() -> None:
    text = '<?xml version="1.0" encoding="GB18030"?>' + ALERT.format(event="大风", more="")
    assert read(text.encode("gb18030")).infos[0].event == "大风"


@pytest.mark.case("security.held.H5")
@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + message("&x;"), "a document type"),
        (b'<!doctype a [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>' + message("&b;"), "a document type"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd">' + message(), "a document type"),
        (message("&x;"), "no XML"),
        (message().decode().encode("utf-16"), "encoding"),
        (b'<?xml version="1.0" encoding="UTF-7"?>' + message(), "encoding 'utf-7'"),
        (b'<?xml version="1.0" encoding="cp037"?>' + message(), "encoding 'cp037'"),
        (message("x" * MOST_BYTES), "bytes found"),
        (message(more="<b>" * 400 + "</b>" * 400), "no XML"),
        (b"<a>" * 5000 + b"</a>" * 5000, "no XML"),
        (b"", "no XML"),
        (b"<html/>", "root element"),
        (b'<alert xmlns="urn:evil"/>', "root element"),
        (message().replace(b"2026-06-01T00:00:00+08:00", b"yesterday"), "sent is 'yesterday'"),
        (message().replace(b"+08:00", b""), "without an offset"),
        (message().replace(b"<identifier>i</identifier>", b""), "no identifier"),
        (message(more="<area><areaDesc>a</areaDesc><polygon>1,2 nan,3</polygon></area>"), "expected 2 numbers"),
        (message(more="<area><areaDesc>a</areaDesc><polygon>111,30 1,2</polygon></area>"), "expected latitude"),
        (message(more="<area><areaDesc>a</areaDesc><circle>1,2</circle></area>"), "expected numbers"),
        (message(more="<area><areaDesc>a</areaDesc></area>" * 201), "201 areas"),
        (message().replace(b"<info>", b"<info><event>e</event></info>" * 40 + b"<info>"), "41 info blocks"),
    ],
)
def test_hostile_or_broken_bytes_are_refused_with_a_reason(hostile: bytes, reason: str) -> None:
    with pytest.raises(CapError, match=reason):
        read(hostile)


@given(st.binary(max_size=400), st.integers(0, 500), st.integers(0, 40))
def test_noise_raises_only_our_own_error(noise: bytes, place: int, cut: int) -> None:
    whole = message(more="<area><areaDesc>a</areaDesc><polygon>1,2 3,4 5,6 1,2</polygon><circle>1,2 3</circle></area>")
    for mangled in (noise, whole[:place] + noise + whole[place + cut :]):
        try:
            read(mangled)
        except CapError:
            continue


def area(inside: str) -> bytes:
    """A message with one area."""
    return message(more=f"<area><areaDesc>a</areaDesc>{inside}</area>")


@pytest.mark.case("live.F1", "live.F2")
@pytest.mark.parametrize(
    ("onset", "expires", "reason"),
    [
        ("2027-06-01T00:00:00+08:00", "2026-06-02T00:00:00+08:00", "onset .* is not before expires"),
        ("1970-01-01T08:00:00+08:00", "2026-06-02T00:00:00+08:00", "onset 1970.* a clock that was never set"),
        ("2024-06-01T00:00:00+08:00", "2026-06-02T00:00:00+08:00", "not between 366 days before"),
        ("2026-09-01T00:00:00+08:00", "2026-10-02T00:00:00+08:00", "and 30 after sent"),
        ("2026-05-01T00:00:00+08:00", "2026-05-31T00:00:00+08:00", "expires .* is not after sent"),
        ("2026-06-01T00:00:00+08:00", "9999-05-31T00:00:00+08:00", "within 366 days"),
    ],
)
def test_impossible_times_of_others_are_refused(onset: str, expires: str, reason: str) -> None:
    with pytest.raises(CapError, match=reason):
        read(message(more=f"<onset>{onset}</onset><expires>{expires}</expires>"))


@pytest.mark.case("live.F2")
def test_a_message_from_the_future_is_refused() -> None:
    received_at = datetime(2026, 5, 1, tzinfo=UTC)
    with pytest.raises(CapError, match="in the future at 2026-05-01"):
        read(message(), received_at)
    assert read(message(), datetime(2026, 6, 1, tzinfo=UTC)).identifier == "i"


@pytest.mark.case("live.F3", "security.L3")
@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("<polygon>30,111 31,112 30,112 31,111 30,111</polygon>", "crosses or touches itself"),
        ("<polygon>30,111 31,112 32,113 30,111</polygon>", "crosses or touches itself or holds no area"),
        ("<polygon>30,111 31,112 31,111</polygon>", "no closed ring"),
        ("<polygon>30,111 31,inf 31,111 30,111</polygon>", "expected latitude"),
        ("<circle>30,111 inf</circle>", "a radius in km"),
        ("<circle>30,111 -1</circle>", "a radius in km"),
        ("<circle>30,111 nan</circle>", "expected 1 numbers"),
        ("<circle>30,111 40000</circle>", "a radius in km"),
    ],
)
def test_places_that_are_none_are_refused(inside: str, reason: str) -> None:
    with pytest.raises(CapError, match=reason):
        read(area(inside))


@pytest.mark.case("live.F3")
@pytest.mark.parametrize(
    ("references", "reason"),
    [
        ("s,i,2026-05-31T00:00:00+08:00", "is the message itself"),
        ("old,s,2026-05-31T00:00:00+08:00", "sender and identifier swapped"),
        ("s,old,2026-06-02T00:00:00+08:00", "was sent .* after"),
        ("s,old,2026-05-31T00:00:00+08:00 s,old,2026-05-31T00:00:00+08:00", "stands twice"),
    ],
)
def test_references_that_cannot_be_are_refused(references: str, reason: str) -> None:
    told = message().replace(b"<info>", f"<references>{references}</references><info>".encode(), 1)
    with pytest.raises(CapError, match=reason):
        read(told)
