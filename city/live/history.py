"""The same life without sockets: what would have arrived, with the instant it would have arrived at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from city.live.fleet import Fleet
from city.live.plan import Plan
from city.live.schedule import spoken

_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes as a gateway or broker would have passed them on."""

    raw_feed: str
    device_id: str
    received_at_us: int  # microseconds since 1970 UTC
    body: bytes


def history(
    fleet: Fleet, plan: Plan, thin: float = 1.0, feeds: Sequence[str] | None = None, bystanders: float = 1.0
) -> Iterator[Arrival]:
    """All that is said in the span of a plan, in the order of arrival; see `Fleet.speakers` for how to say less."""
    speakers = fleet.speakers(plan.incidents, thin, feeds, bystanders)
    last = 0
    for one in spoken(speakers, plan.starts_at, plan.ends_at, chunk_s=1800):
        if one.at >= plan.ends_at:
            return
        last = max(last + 1, round(one.at * _US))
        yield Arrival(one.raw_feed, one.device_id, last, one.body)
