"""What no CAP message can mean, ours or somebody else's: impossible times, references and places. Pure.

The schema allows all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shapely.geometry import Polygon

# A danger that is announced longer ahead, or began longer ago, is a wrong clock and no danger; CAP 1.0 is of 2004.
LONGEST_AHEAD, LONGEST_AGO = timedelta(days=30), timedelta(days=366)
LONGEST_VALID = timedelta(days=366)
CLOCKS_APART = timedelta(hours=1)
FIRST = datetime(2000, 1, 1, tzinfo=UTC)
MOST_KM = 20_038.0  # half way round the earth

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Named:
    """A reference as it stands: who, which, when; only the identifier where a form gives no more."""

    sender: str
    identifier: str
    sent_at: datetime | None


def fault_of_times(sent: datetime, onset: datetime | None, expires: datetime | None) -> str | None:
    """Why these times cannot belong to one message."""
    for name, at in (("sent", sent), ("onset", onset), ("expires", expires)):
        if at is not None and at < FIRST:
            return f"{name} {at.isoformat()} is before {FIRST.year}: a clock that was never set"
    if expires is not None and not sent < expires <= sent + LONGEST_VALID:
        days = LONGEST_VALID.days
        return f"expires {expires.isoformat()} is not after sent {sent.isoformat()} and within {days} days of it"
    if onset is not None and expires is not None and onset >= expires:
        return f"onset {onset.isoformat()} is not before expires {expires.isoformat()}"
    if onset is not None and not sent - LONGEST_AGO <= onset <= sent + LONGEST_AHEAD:
        ahead, ago = LONGEST_AHEAD.days, LONGEST_AGO.days
        return f"onset {onset.isoformat()} is not between {ago} days before and {ahead} after sent {sent.isoformat()}"
    return None


def fault_of_clock(sent: datetime, now: datetime) -> str | None:
    """Why a message cannot have been sent then, seen from now."""
    return f"sent {sent.isoformat()} is in the future at {now.isoformat()}" if sent > now + CLOCKS_APART else None


def faults_of_references(sender: str, identifier: str, sent: datetime, references: Sequence[Named]) -> Iterator[str]:
    """What is wrong with the earlier messages that one names."""
    for one in references:
        if one.identifier == identifier and one.sender in ("", sender):
            yield f"reference {one.identifier!r} is the message itself"
        if one.identifier == sender and one.sender != sender:
            yield f"reference {one.sender!r},{one.identifier!r} has sender and identifier swapped"
        if one.sent_at is not None and one.sent_at > sent:
            yield f"reference {one.identifier!r} was sent {one.sent_at.isoformat()}, after {sent.isoformat()}"
    if len(set(references)) < len(references):
        yield "a reference stands twice"


def fault_of_ring(points: Sequence[Point]) -> str | None:
    """Why points (latitude, longitude) are no area."""
    if len(points) < 4 or points[0] != points[-1]:
        return f"no closed ring: {len(points)} points, expected at least four, the last the first again"
    if not all(map(is_place, points)):
        return "a ring with a point that is no latitude,longitude in degrees"
    shape = Polygon([(longitude, latitude) for latitude, longitude in points])
    if not shape.is_valid or shape.area == 0:
        return "a ring that crosses or touches itself or holds no area"
    return None


def is_place(point: Point) -> bool:
    """Whether latitude and longitude lie on the earth; nothing that is no number does."""
    return abs(point[0]) <= 90 and abs(point[1]) <= 180


def is_radius(km: float) -> bool:
    """Whether a circle may be so wide; 0 is a point."""
    return math.isfinite(km) and 0 <= km <= MOST_KM
