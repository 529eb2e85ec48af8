"""E-mail: plain and HTML, Chinese and English, over SMTP with STARTTLS unless the address says otherwise.

The address is `smtp://user:password@host:port?from=duty@city.example`, with `tls=starttls` (default), `implicit` or
`none`, and `ca=<file>` for a city's own certificate authority. The standard library's client is a blocking one: it
runs in a thread, and its own time-out ends it.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from urllib.parse import parse_qs, unquote, urlsplit

from alerting.notify.channels.channel_config import Directory
from alerting.notify.channels.form import NotSetUp, NotTaken, Receipt, Refused
from alerting.notify.channels.message import Language, Message, paragraphs, title
from alerting.notify.channels.threads import Threads

RED = 4
_TLS = ("starttls", "implicit", "none")
_LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Post:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    user: str
    password: str
    sender: str
    to: str  # for messages whose target is no unit and no address
    tls: str
    authority: str

    @staticmethod
    def of(url: str) -> Post:
        """Read an address. Raises NotSetUp for one that cannot be used, without repeating its password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise NotSetUp(f"the SMTP address cannot be read: {error}") from error
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        tls = options.get("tls", "starttls")
        sender = options.get("from", "")
        if parts.scheme != "smtp" or not parts.hostname or tls not in _TLS or "@" not in sender:
            raise NotSetUp(
                "the SMTP address must read smtp://user:password@host:port?from=duty@city.example, with tls= one of "
                + ", ".join(_TLS)
            )
        return Post(
            parts.hostname,
            port or (465 if tls == "implicit" else 587),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            sender,
            options.get("to", ""),
            tls,
            options.get("ca", ""),
        )


class Email:
    """One mail to the duty office of the target."""

    def __init__(
        self, post: Post, languages: Sequence[Language], directory: Directory, width: int, timeout_s: float
    ) -> None:
        self._post, self._languages, self._directory, self._timeout_s = post, languages, directory, timeout_s
        self._threads = Threads("mail", width)

    async def send(self, message: Message, now: datetime) -> Receipt:
        """Hand the mail in. Raises NotTaken or Refused."""
        mail = compose(message, self._languages, self._post.sender, self._to(message.target), now)
        return await self._threads.run(self._hand_in, mail)

    def shape(self, message: Message, now: datetime) -> Mapping[str, object]:
        """Head and plain text."""
        mail = compose(message, self._languages, self._post.sender, self._to(message.target), now)
        plain = mail.get_body(("plain",))
        assert plain is not None
        return {
            "to": mail["To"],
            "subject": mail["Subject"],
            "message_id": mail["Message-ID"],
            "text": plain.get_content(),
        }

    async def aclose(self) -> None:
        """Start nothing more."""
        self._threads.close()

    def _to(self, target: str) -> str:
        found = target if "@" in target else self._directory.find(target, "duty_email") or self._post.to
        if not found:
            raise Refused(f"no duty e-mail for {target!r}; add a row to contacts.csv, or to= to the SMTP address")
        return found

    def _hand_in(self, mail: EmailMessage) -> Receipt:
        post = self._post
        try:
            trust = ssl.create_default_context(cafile=post.authority or None) if post.tls != "none" else None
            with self._connected(trust) as server:
                if post.user:
                    server.login(post.user, post.password)
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            said = f"recipient not taken: {error.recipients}"
            raise (Refused(said) if codes and min(codes) >= 500 else NotTaken(said)) from error
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            said = f"SMTP {error.smtp_code}: {_text(error.smtp_error)}"
            raise (Refused(said) if error.smtp_code >= 500 else NotTaken(said)) from error
        except (smtplib.SMTPException, OSError) as error:
            raise NotTaken(f"not reached: {type(error).__name__} {error}".strip()) from error
        return Receipt("taken by the mail server", {"message_id": mail["Message-ID"], "to": mail["To"]})

    def _connected(self, trust: ssl.SSLContext | None) -> smtplib.SMTP:
        post = self._post
        if post.tls == "implicit":
            return smtplib.SMTP_SSL(post.host, post.port, timeout=self._timeout_s, context=trust)
        server = smtplib.SMTP(post.host, post.port, timeout=self._timeout_s)
        if post.tls == "starttls":
            try:
                server.starttls(context=trust)
            except BaseException:
                server.close()
                raise
        return server


def compose(message: Message, languages: Sequence[Language], sender: str, to: str, now: datetime) -> EmailMessage:
    """The mail; its Message-ID is made from the delivery, so that a mail sent twice is shown once."""
    mail = EmailMessage()
    subject = " / ".join(title(message, language) for language in languages)
    mail["Subject"] = " ".join(subject.split())[:_LONGEST_SUBJECT]
    mail["From"], mail["To"] = sender, to
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{message.key}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # nobody's out-of-office reply answers an alarm
    if message.rank >= RED:
        mail["X-Priority"] = "1"
    texts = {language: paragraphs(message, language) for language in languages}
    mail.set_content("\n\n————\n\n".join("\n\n".join(found) for found in texts.values()) + f"\n\n{message.key}\n")
    sections = "".join(
        f'<section lang="{language}"><h3>{escape(found[0])}</h3>'
        + "".join(f"<p>{escape(one).replace(chr(10), '<br>')}</p>" for one in found[1:])
        + "</section>"
        for language, found in texts.items()
    )
    mail.add_alternative(
        f"<!doctype html><html><body>{sections}<p><small>{message.key}</small></p></body></html>", subtype="html"
    )
    mail["Content-Language"] = ", ".join(languages)  # after the content, which resets its own headers
    return mail


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
