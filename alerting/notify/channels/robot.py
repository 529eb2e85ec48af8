"""Group robot in the WeCom form: markdown, at most 4,096 bytes, 20 messages a minute.

The robot answers HTTP 200 whatever happened: `errcode` 0 is taken, 45009 is too many, the rest is an error of ours or
of its set-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import orjson

from alerting.notify.channels.form import NotTaken, Receipt, Refused
from alerting.notify.channels.message import Language, Message, endings, facts_of, title
from alerting.notify.channels.web import Asker, said_by

MOST_BYTES = 4096
TOO_MANY = 45009
BUSY = (-1, 42001, 40014, 93000)  # the system is busy; the robot's key is expired, unknown, or the robot was removed
_CUT = "…"
_TITLE_BYTES = 1000
# The form knows three colours: warning is orange-red, comment grey, info green.
_FONTS = {"red": "warning", "orange": "warning", "yellow": "comment", "blue": "info"}


class Robot:
    """POSTs markdown to the robot's address, which holds its key."""

    def __init__(self, url: str, languages: Sequence[Language], timeout_s: float) -> None:
        self._url, self._languages = url, languages
        self._asker = Asker(timeout_s)

    async def send(self, message: Message, now: datetime) -> Receipt:
        """One request. Raises NotTaken or Refused."""
        response = await self._asker.ask("POST", self._url, json=self.shape(message, now))
        try:
            said = orjson.loads(response.content)
            code = int(said["errcode"])
        except (ValueError, TypeError, KeyError) as error:
            raise NotTaken(f"no robot's answer: {said_by(response)}") from error
        if code == TOO_MANY:
            raise NotTaken(said_by(response), timedelta(minutes=1))
        if code in BUSY:
            raise NotTaken(said_by(response))
        if code:
            raise Refused(said_by(response))
        return Receipt("errcode 0", {"said": said_by(response)})

    def shape(self, message: Message, now: datetime) -> Mapping[str, object]:
        """The body."""
        return {"msgtype": "markdown", "markdown": {"content": markdown(message, self._languages)}}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._asker.aclose()


def markdown(message: Message, languages: Sequence[Language]) -> str:
    """Title, alerts and number; alerts that do not fit are left out whole, the title and the exercise's mark never."""
    head, blocks, tail = [], [], []
    for language in languages:
        font = _FONTS.get(str(message.body.get("colour")), "comment")
        head.append(f'**<font color="{font}">{cut(_plain(title(message, language)), _TITLE_BYTES)}</font>**')
        tail += endings(message, language)
        blocks += [_block(alert, language) for alert in message.body.get("alerts", ())]
    # A robot knows no idempotency key; with this number people see that two messages are one.
    tail.append(f"`{message.key}`")
    room = MOST_BYTES - len("\n\n".join(tail).encode()) - len(_CUT) * 3 - 4
    text = "\n".join(head)
    for block in blocks:
        if len(f"{text}\n\n{block}".encode()) > room:
            text += f"\n\n{_CUT}"
            break
        text += f"\n\n{block}"
    return "\n\n".join((text, *tail))


def cut(text: str, most_bytes: int) -> str:
    """The beginning of a text that fits, whole characters only.

    >>> cut("红色预警", 7)
    '红…'
    """
    whole = text.encode()
    if len(whole) <= most_bytes:
        return text
    return whole[: most_bytes - len(_CUT.encode())].decode(errors="ignore") + _CUT


def _block(alert: Mapping[str, object], language: Language) -> str:
    return "\n".join(f"> {label}：{_plain(value)}" for label, value in facts_of(alert, language))


def _plain(text: str) -> str:
    """Names come from departments: nothing in them may become a link, a font or a new line."""
    return " ".join(text.translate(str.maketrans("<>[]`*", "＜＞［］＇＊")).split())
