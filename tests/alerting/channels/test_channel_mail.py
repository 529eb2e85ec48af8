"""Mail as a mail server takes it: both languages, one Message-ID, STARTTLS with a checked certificate, refusals."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from way_out import START, City, until, working

from alerting.engine.episode import Change
from alerting.lifecycle.alert import Delivery
from alerting.notify.channels.form import NotSetUp, NotTaken, Receipt, Refused
from alerting.notify.channels.message import Message, message_of
from alerting.notify.channels.registry import open_channel
from alerting.notify.channels.retry_policy import RetryPolicy
from own_ports import own_port

FROM = "from=duty@city.example"


class Office:
    """A mail server's mind: keeps mail, and answers as it is told."""

    def __init__(self, answer: str = "250 kept", recipient: str = "250 ok") -> None:
        self.answer, self.recipient = answer, recipient
        self.mails: list[EmailMessage] = []
        self.was_encrypted: list[bool] = []
        self.to: list[list[str]] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
            self.was_encrypted.append(session.ssl is not None)
            self.to.append(envelope.rcpt_tos)
        return self.answer


@contextmanager
def serving_mail(office: Office, **options: Any) -> Iterator[int]:
    """The port of a running mail server."""
    controller = Controller(office, hostname="127.0.0.1", port=own_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key, its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.city.example")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("mail") / "mail.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def handed_in(city: City, url: str, message: Message | None = None) -> Receipt:
    """Send the city's mail, or another one, to an SMTP address."""
    city.set(CITYRISK_SMTP_URL=url)
    if message is None:
        message = message_of(Delivery(**city.deliveries("email")[0]._mapping))

    async def whole() -> Receipt:
        channel = open_channel(
            city.channel_config.channels["email"], city.channel_config, city.engine, city.home, RetryPolicy()
        )
        try:
            return await channel.send(message, START)
        finally:
            await channel.aclose()

    return asyncio.run(whole())


def test_a_mail_has_both_languages_and_its_delivery_as_message_id(city: City) -> None:
    async def whole(port: int) -> None:
        city.set(CITYRISK_SMTP_URL=f"smtp://127.0.0.1:{port}?tls=none&{FROM}")
        async with working(city):
            await until(lambda: city.only("email").state == "sent")

    office = Office()
    city.happen(Change.OPENED)
    with serving_mail(office) as port:
        asyncio.run(whole(port))
    (mail,) = office.mails
    row = city.only("email")
    assert mail["Message-ID"] == f"<{row.delivery_id}@city.example>"
    assert city.receipt("email")["message_id"] == mail["Message-ID"]
    assert office.to == [[f"duty@{city.alert().disposing_unit.replace(':', '.')}.example"]]
    assert mail["Subject"].startswith("【红色预警】西陵燃气井<w1>&1：")
    assert " / Red alert opened: " in mail["Subject"]
    assert (mail["X-Priority"], mail["Auto-Submitted"], mail["Content-Language"]) == ("1", "auto-generated", "zh, en")
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    for label in ("类别：", "级别：1级（红色）", "应采取的措施：", "Category: ", "Level: 1 (red)", "Measures: "):
        assert label in plain.get_content()
    assert "西陵燃气井&lt;w1&gt;&amp;1" in html.get_content()
    assert '<section lang="zh">' in html.get_content()


def test_starttls_is_used_and_the_certificate_is_checked(city: City, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    office, asked = Office(), []

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        asked.append((given.login, given.password))
        return AuthResult(success=given.password == b"p@ss", handled=False)

    city.happen(Change.OPENED)
    options = {"tls_context": context, "require_starttls": True, "authenticator": authenticate}
    with serving_mail(office, **options) as port:
        handed_in(city, f"smtp://duty:p%40ss@127.0.0.1:{port}?ca={certificate}&{FROM}")
        with pytest.raises(NotTaken, match="CERTIFICATE_VERIFY_FAILED"):
            handed_in(city, f"smtp://duty:p%40ss@127.0.0.1:{port}?{FROM}")
        with pytest.raises(NotTaken, match="535"):
            handed_in(city, f"smtp://duty:wrong@127.0.0.1:{port}?ca={certificate}&{FROM}")
    assert office.was_encrypted == [True]
    assert set(asked) == {(b"duty", b"p@ss"), (b"duty", b"wrong")}


@pytest.mark.parametrize(
    ("office", "error"),
    [
        (Office(answer="451 try later"), NotTaken),
        (Office(answer="554 no such thing"), Refused),
        (Office(recipient="450 mailbox busy"), NotTaken),
        (Office(recipient="550 no such user"), Refused),
    ],
)
def test_4xx_is_tried_again_and_5xx_is_final(city: City, office: Office, error: type[Exception]) -> None:
    city.happen(Change.OPENED)
    with serving_mail(office) as port, pytest.raises(error):
        handed_in(city, f"smtp://127.0.0.1:{port}?tls=none&{FROM}")


def test_nobody_there_is_tried_again(city: City) -> None:
    city.happen(Change.OPENED)
    with pytest.raises(NotTaken, match="not reached"):
        handed_in(city, f"smtp://127.0.0.1:1?tls=none&{FROM}")


def test_names_cannot_add_headers(city: City) -> None:
    office = Office()
    body = {"title_zh": "一\r\nBcc: spy@evil.example", "title_en": "one\nX: y", "alerts": [], "is_exercise": True}
    with serving_mail(office) as port:
        handed_in(
            city, f"smtp://127.0.0.1:{port}?tls=none&{FROM}", Message("k", "email", "a@b.example", "x", "n", body)
        )
    (mail,) = office.mails
    assert mail["Bcc"] is None
    assert office.to == [["a@b.example"]]
    assert mail["Subject"] == "【演练】一 Bcc: spy@evil.example / [EXERCISE] one X: y"


@pytest.mark.parametrize(
    "url", ["http://x", f"smtp://?{FROM}", "smtp://h:25", f"smtp://h:x?{FROM}", f"smtp://u:secret@h?tls=maybe&{FROM}"]
)
def test_an_address_that_cannot_be_used_is_not_set_up(city: City, url: str) -> None:
    with pytest.raises(NotSetUp, match="CITYRISK_SMTP_URL: the SMTP address") as told:
        handed_in(city, url, Message("k", "email", "a@b.example", "x", "n", {}))
    assert "secret" not in str(told.value)
