"""The CAP feed of a channel: one file a message, an Atom index and a JSON index, newest first; and how it is served.

Files come from the store and can always be written again. It only reads: a public feed is open, any other asks
for the bearer token of CITYRISK_CAP_TOKEN.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import sqlalchemy as sa
from lxml import etree
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from alerting.cap.build import cap_time
from alerting.lifecycle.alert import CapMessage
from alerting.workflow.records import CAP_MESSAGES
from core.runtime.http import Guesses
from core.settings import Home
from core.store import tables

TOKEN = "CITYRISK_CAP_TOKEN"
ATOM = "http://www.w3.org/2005/Atom"
LISTED = 1000
KEPT = timedelta(days=30)
CONTENT_TYPES = {"atom.xml": "application/atom+xml", "index.json": "application/json"}
MESSAGE_TYPE = "application/cap+xml"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,120}\.xml")


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def feed_folder(home: Home, channel_id: str) -> Path:
    """Where a channel's files lie."""
    return home.root / "cap" / channel_id


def write_feed(engine: sa.Engine, home: Home, channel_id: str, title: str, now: datetime) -> int:
    """Bring a channel's files in line with the store; gives how many messages its index lists."""
    folder = feed_folder(home, channel_id)
    folder.mkdir(parents=True, exist_ok=True)
    message = tables.cap_message.c
    with _alone(folder):
        with engine.connect() as connection:
            query = CAP_MESSAGES.where(message.channel_id == channel_id, message.sent_at > now - KEPT)
            newest = query.order_by(message.sent_at.desc(), message.number.desc(), message.identifier).limit(LISTED)
            listed = CAP_MESSAGES.found(connection, newest)
        _write_messages(engine, folder, [row.identifier for row in listed])
        _write(folder / "index.json", orjson.dumps({"title": title, "messages": list(map(_entry, listed))}))
        _write(folder / "atom.xml", _atom(channel_id, title, listed, now))
        _sweep_out(folder, {f"{row.identifier}.xml" for row in listed}, now)
    return len(listed)


def _write_messages(engine: sa.Engine, folder: Path, identifiers: Sequence[str]) -> None:
    missing = [one for one in identifiers if not (folder / f"{one}.xml").exists()]
    message = tables.cap_message.c
    with engine.connect() as connection:
        for start in range(0, len(missing), 200):
            part = missing[start : start + 200]
            query = sa.select(message.identifier, message.body, message.sent_at).where(message.identifier.in_(part))
            for row in connection.execute(query):
                _write(folder / f"{row.identifier}.xml", row.body.encode(), row.sent_at)


def _entry(row: CapMessage) -> Mapping[str, str]:
    return {
        "identifier": row.identifier,
        "url": f"{row.identifier}.xml",
        "msg_type": row.msg_type,
        "status": row.status,
        "colour": row.colour,
        "sent": cap_time(row.sent_at),
        "expires": cap_time(row.expires_at),
        "alert_id": row.alert_id,
        "title_zh": row.title_zh,
        "title_en": row.title_en,
    }


def _atom(channel_id: str, title: str, rows: Sequence[CapMessage], now: datetime) -> bytes:
    feed = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM})

    def add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
        element = etree.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
        element.text = text
        return element

    add(feed, "id", f"urn:cityrisk:cap:{channel_id}")
    add(feed, "title", title)
    add(feed, "updated", cap_time(rows[0].sent_at if rows else now))
    add(feed, "link", rel="self", href="atom.xml")
    for row in rows:
        entry = add(feed, "entry")
        add(entry, "id", f"urn:cityrisk:cap:{channel_id}:{row.identifier}")
        add(entry, "title", f"{row.title_zh} / {row.title_en}")
        add(entry, "updated", cap_time(row.sent_at))
        add(add(entry, "author"), "name", row.sender)
        add(entry, "link", rel="alternate", type=MESSAGE_TYPE, href=f"{row.identifier}.xml")
        for name in ("msg_type", "status", "colour"):
            add(entry, "category", scheme=f"urn:cityrisk:cap:{name}", term=getattr(row, name))
    return bytes(etree.tostring(feed, xml_declaration=True, encoding="UTF-8", pretty_print=True))


def _sweep_out(folder: Path, listed: set[str], now: datetime) -> None:
    """Messages that fell off the index stay for those who hold their address, until they are too old."""
    oldest = (now - KEPT).timestamp()
    for path in folder.glob("*.xml"):
        if path.name not in listed and path.name not in CONTENT_TYPES and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


def _write(path: Path, content: bytes, dated: datetime | None = None) -> None:
    """Put a file in place whole; a message's file has the time that the message was sent at."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    if dated is not None:
        os.utime(partial, (dated.timestamp(), dated.timestamp()))
    os.replace(partial, path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One writer of a feed at a time, also among processes: an older index must not replace a newer one."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# ── http ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def feed_app(home: Home, is_public: Mapping[str, bool], now: Callable[[], datetime]) -> Starlette:
    """`GET /cap/<channel>/atom.xml`, `index.json` and `<identifier>.xml`, for the CAP channels that `is_public` names.

    It sets no address of its own: mount it in any process of ours.
    """
    guesses = Guesses()

    def check_token(request: Request) -> None:
        address = request.client.host if request.client else ""
        if guesses.is_blocked(address, now()):
            raise HTTPException(429, "too many wrong tokens from this address; wait a minute", {"Retry-After": "60"})
        try:
            _check_token(home.environment.get(TOKEN, ""), request.headers.get("Authorization", ""))
        except HTTPException:
            guesses.note(address, now())
            raise

    async def answer(request: Request) -> Response:
        channel_id, name = request.path_params["channel_id"], request.path_params["name"]
        if channel_id not in is_public or not (name in CONTENT_TYPES or _NAME.fullmatch(name)):
            raise HTTPException(404)
        if not is_public[channel_id]:
            check_token(request)
        path = feed_folder(home, channel_id) / name
        if not path.is_file():
            raise HTTPException(404)
        kind = CONTENT_TYPES.get(name, MESSAGE_TYPE)
        # An index changes; a message never does.
        age = "no-cache" if name in CONTENT_TYPES else f"max-age={int(KEPT.total_seconds())}, immutable"
        headers = {
            "Cache-Control": age if is_public[channel_id] else f"private, {age}",
            "X-Content-Type-Options": "nosniff",
        }
        return FileResponse(path, media_type=kind, headers=headers)

    return Starlette(routes=[Route("/cap/{channel_id}/{name}", answer, methods=["GET"])])


def _check_token(wanted: str, given: str) -> None:
    if not wanted:
        raise HTTPException(403, f"this feed is for partners, and {TOKEN} is not set")
    if not hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode()):
        raise HTTPException(401, "give the partner's token", {"WWW-Authenticate": "Bearer"})
