"""Bytes as devices send them through parse, conform, tick and rules, without a broker between them."""

from __future__ import annotations

import functools
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from alerting.engine import Engine
from alerting.engine.episode import Change, EpisodeChange
from alerting.rules import RuleSet, load_rules
from core.stream.live import LiveBatch, micros, of_frame
from core.stream.raw import RawEntry, pack
from core.stream.reader import Taken
from ingest.intake.identity import Rights
from ingest.intake.seen import SeenRows
from ingest.intake.tick import Feed, Shaped, Ticker
from ingest.pull import Intake
from rule_parts import CITY, CONTRACTS, rules_folder

T0 = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)


@functools.cache
def rules() -> RuleSet:
    """The committed rules."""
    with tempfile.TemporaryDirectory() as folder:
        return load_rules(rules_folder(Path(folder)))


class Chain:
    """Ticks and rules; everybody may speak unless `rights` say otherwise."""

    def __init__(self, intake: Intake, rights: Rights | None = None) -> None:
        seen = SeenRows(
            lambda contract, _: pl.DataFrame(
                schema=dict.fromkeys((c.landed_name for c in contract.landed_columns), pl.String)
            )
        )
        self.ticker = Ticker(intake, {i: Feed(c, 0) for i, c in CONTRACTS.items() if c.is_stream}, seen, rights)
        self.engine = Engine(rules(), CITY)
        self.sequence = 0
        self.changes: list[EpisodeChange] = []
        self.shaped: list[Shaped] = []

    def say(self, feed: str, device: str, body: Any, second: float) -> None:
        """One message, received so many seconds after the start."""
        at = T0 + timedelta(seconds=second)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.sequence += 1
        taken = Taken(self.sequence, f"raw.{feed}.{device}", pack([RawEntry(device, micros(at), raw)]), "")
        for shaped in self.ticker.take_in([taken], at):
            self.shaped.append(shaped)
            if shaped.frame.height:
                self.changes += self.engine.fold(of_frame(shaped.feed_id, shaped.frame, at, "raw:1-1"))
        self.wait(second)

    def wait(self, second: float) -> None:
        """Time passes although nobody speaks."""
        self.changes += self.engine.fold(LiveBatch("clock", T0 + timedelta(seconds=second), "", {}))

    def opened(self) -> dict[str, tuple[str, float]]:
        """Rule → worst colour, and seconds after the start at which it opened first."""
        found: dict[str, tuple[str, float]] = {}
        for change in self.changes:
            if change.change in (Change.OPENED, Change.UPGRADED):
                first = found.get(change.rule_id, ("", (change.at - T0).total_seconds()))[1]
                found[change.rule_id] = (change.colour, first)
        return found
