"""SMS through any gateway that speaks HTTP: a template with placeholders, long texts in parts.

`{phone}`, `{text}`, `{key}`, `{secret}`, `{part}`, `{parts}` may stand in the address and in the row's template. With a
template the request is a POST, JSON when the template is; without one it is a GET. The gateway took it when it answers
2xx and, if the row says what to expect, that text stands in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

import orjson

from alerting.notify.channels.channel_config import ChannelRow, Directory
from alerting.notify.channels.form import NotTaken, Receipt, Refused
from alerting.notify.channels.message import FAULT, Language, Message, endings, title
from alerting.notify.channels.web import Asker, said_by

ALONE, IN_PARTS = 70, 67  # UCS-2 characters of one short message, and of one part of several
MOST_PARTS = 6
_PLACE = re.compile(r"\{(phone|text|key|secret|part|parts)\}")
_NUMBER = re.compile(r"\+?[0-9][0-9-]{4,19}")


class Sms:
    """One request for each part, in order; after a crash all parts go again under the same keys."""

    def __init__(self, row: ChannelRow, url: str, secret: str, directory: Directory, timeout_s: float) -> None:
        self._row, self._url, self._secret, self._directory = row, url, secret, directory
        self._asker = Asker(timeout_s)

    async def send(self, message: Message, now: datetime) -> Receipt:
        """Send every part. Raises NotTaken or Refused."""
        phone = self._phone(message.target)
        parts = parts_of(text_of(message, self._row.languages))
        answers = []
        for number, text in enumerate(parts, 1):
            values = {
                "phone": phone,
                "text": text,
                "key": f"{message.key}-{number}",
                "secret": self._secret,
                "part": str(number),
                "parts": str(len(parts)),
            }
            answers.append(await self._one(values))
        return Receipt(f"{len(parts)} parts", {"phone": phone, "said": answers})

    def shape(self, message: Message, now: datetime) -> Mapping[str, object]:
        """Number and parts."""
        return {"phone": self._phone(message.target), "parts": parts_of(text_of(message, self._row.languages))}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._asker.aclose()

    async def _one(self, values: Mapping[str, str]) -> str:
        url, template = filled(self._url, values, _quoted), self._row.template
        if not template:
            response = await self._asker.ask("GET", url)
        elif template.lstrip().startswith('{"'):
            content = filled(template, values, _in_json)
            response = await self._asker.ask(
                "POST", url, content=content.encode(), headers={"Content-Type": "application/json; charset=utf-8"}
            )
        else:
            content = filled(template, values, _quoted)
            response = await self._asker.ask(
                "POST", url, content=content.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"}
            )
        said = said_by(response)
        if self._row.expects and self._row.expects not in said:
            raise NotTaken(f"the answer has no {self._row.expects!r}: {said}")
        return said

    def _phone(self, target: str) -> str:
        found = target if _NUMBER.fullmatch(target) else self._directory.find(target, "duty_phone")
        if not found:
            raise Refused(f"no duty phone for {target!r}; add a row to contacts.csv")
        return found


def text_of(message: Message, languages: Sequence[Language]) -> str:
    """What a phone shows: the title, where and whom to call for a single alert, the exercise's mark."""
    lines = []
    for language in languages:
        lines.append(title(message, language))
        alerts = message.body.get("alerts", ())
        if len(alerts) == 1 and message.kind != FAULT:
            lines.append(f"{alerts[0][f'possible_area_{language}']} {alerts[0]['contact']}")
        lines += endings(message, language)
    return " ".join(" ".join(lines).split())


def parts_of(text: str) -> list[str]:
    """The short messages of a text; what does not fit into six ends with an ellipsis.

    >>> parts_of("a" * 70) == ["a" * 70], [len(part) for part in parts_of("a" * 71)]
    (True, [67, 14])
    """
    if len(text) <= ALONE:
        return [text]
    room = IN_PARTS - len("(1/6)")
    if len(text) > room * MOST_PARTS:
        text = text[: room * MOST_PARTS - 1] + "…"
    pieces = [text[start : start + room] for start in range(0, len(text), room)]
    return [f"({number}/{len(pieces)}){piece}" for number, piece in enumerate(pieces, 1)]


def filled(template: str, values: Mapping[str, str], escape: Callable[[str], str]) -> str:
    """The template with its placeholders filled in one go, so that nothing in a text is taken for a placeholder.

    >>> filled("p={phone}&t={text}", {"phone": "1", "text": "a&{key}", "key": "k"}, _quoted)
    'p=1&t=a%26%7Bkey%7D'
    """
    return _PLACE.sub(lambda found: escape(values[found[1]]), template)


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _in_json(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]
