"""Changes of episodes as the rule engine tells them, and what they are about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alerting.engine.episode import Change, EpisodeChange, episode_id_of
from alerting.lifecycle.joining import Subject
from core.severity import RANKS

START = datetime(2026, 6, 1, 0, 0, tzinfo=UTC)


def river_station(change: EpisodeChange) -> Subject:
    """A station in the area that its id names (`water:<area>:<n>`), or in Xiling, Yichang."""
    parts = change.object_id.split(":")
    area = parts[1] if len(parts) == 3 else "420502001"
    return Subject(
        "natural_hazard", "flood", "river_station", f"清江站{parts[-1]}", area, 111.29, 30.70, "水位", "River level"
    )


class Engineer:
    """Writes numbered changes of episodes the way the rule engine does."""

    def __init__(self, rule_id: str = "river_level") -> None:
        self.rule_id = rule_id
        self._numbers: dict[str, int] = {}
        self._ids: dict[tuple[str, str], str] = {}

    def __call__(
        self,
        change: Change,
        object_id: str = "water:s1",
        colour: str = "yellow",
        minute: float = 0,
        device: str = "d1",
        value: float | None = None,
    ) -> EpisodeChange:
        """The next change of the episode of a device at an object; a first one begins a new episode."""
        at = START + timedelta(minutes=minute)
        place = (object_id, device)
        known = self._ids.get(place)
        if known is None:
            known = self._ids[place] = episode_id_of(self.rule_id, object_id, device, at)
        self._numbers[known] = self._numbers.get(known, 0) + 1
        if change in (Change.CLEARED, Change.WITHDRAWN):
            del self._ids[place]
        shown = value if value is not None else 45.0 + RANKS[colour]
        return EpisodeChange(
            known,
            self._numbers[known],
            change,
            self.rule_id,
            object_id,
            device,
            "water_level_m",
            colour,
            RANKS[colour],
            shown,
            45.0,
            "m",
            f"river_{colour}",
            "GB/T 22482",
            "5.2",
            "text read",
            colour,
            at,
            at + timedelta(seconds=1),
        )
