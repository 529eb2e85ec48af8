"""The rule engine with the stream position that it stands at, and the changes that are not written yet.

What was applied before a restart is folded again under the rules of the snapshot; newer rules wait until then, so that
every change gets the number that it had.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from alerting.checkpoint import read_snapshot, sweep, write_snapshot
from alerting.engine import Engine, generation_of
from alerting.engine.episode import EpisodeChange
from alerting.engine.rule import RuleSet
from alerting.lifecycle.alert import StreamPosition
from alerting.rules.generations import generation_named
from alerting.rules.load import load_rules
from alerting.runtime_config import RuntimeConfig
from core.settings import Home
from core.stream.live import EPOCH, LiveBatch

log = logging.getLogger(__name__)


class EngineState:
    """`sequence` is the last message folded; `changes` came of it and those before, and wait to be applied."""

    def __init__(self, engine: Engine, config: RuntimeConfig, sequence: int, applied_to: int) -> None:
        self._engine, self.config = engine, config
        self.sequence, self._applied_to = sequence, applied_to
        self.stream_at: datetime = EPOCH
        self.changes: list[EpisodeChange] = []
        self._members_only = _members_only(engine.ruleset)
        self._is_new = False

    @classmethod
    def resume(cls, home: Home, config: RuntimeConfig, stored: StreamPosition | None) -> EngineState:
        """The engine of the newest snapshot, or a new one that reads from the beginning of what the stream keeps."""
        applied_to = stored.sequence if stored else 0
        if stored is None or stored.snapshot is None or stored.snapshot_sequence is None:
            engine_state = cls(Engine(config.ruleset, config.registry), config, 0, applied_to)
            engine_state._is_new = True
            return engine_state
        body = read_snapshot(home.root, stored.snapshot)
        if body is None:
            log.error("snapshot %s is gone; the stream is folded from its beginning", stored.snapshot)
            return cls(Engine(config.ruleset, config.registry), config, 0, applied_to)
        ruleset = _rules_of(home, body, config)
        engine = Engine.restore(body, ruleset, config.registry)
        engine_state = cls(
            engine,
            replace(config, ruleset=ruleset, folder=_folder(home, ruleset, config)),
            stored.snapshot_sequence,
            applied_to,
        )
        engine_state.stream_at = stored.stream_at
        return engine_state

    @property
    def knows_nothing(self) -> bool:
        """Whether no state was ever kept: what landed before the stream was not judged, or that was not noted.

        Where a state was kept and its file is gone, LIVE has what is newer than last values of long ago.
        """
        return self._is_new

    def begin_with(self, engine: Engine, changes: list[EpisodeChange]) -> None:
        """Take what devices said last before the stream as what is known so far."""
        self._engine, self._is_new = engine, False
        self._keep(changes)

    @property
    def is_catching_up(self) -> bool:
        """Whether messages come that were applied before."""
        return self.sequence < self._applied_to

    @property
    def n_tracks(self) -> int:
        """States that are not quiet."""
        return self._engine.open_count

    def fold(self, batch: LiveBatch) -> None:
        """Take one message of the stream."""
        self._keep(self._engine.fold(batch))
        self.sequence, self.stream_at = batch.sequence, batch.received_at

    def renew(self, config: RuntimeConfig) -> None:
        """Go on by newer rules and registers."""
        only_windows = config.folder == self.config.folder and config.registers == self.config.registers
        if only_windows:
            self._engine.plan_maintenance(config.ruleset.windows)
        else:
            self._keep(self._engine.renew(config.ruleset, config.registry))
            self._members_only = _members_only(config.ruleset)
        self.config = config

    def taken(self) -> list[EpisodeChange]:
        """Hand over the changes; whoever takes them must apply them."""
        changes, self.changes = self.changes, []
        return changes

    def packed(self) -> tuple[int, bytes]:
        """Position and state."""
        return self.sequence, self._engine.snapshot()

    @staticmethod
    def save(
        root: Path, store: sa.Engine, note: Callable[[sa.Engine, str, str, int], Any], sequence: int, body: bytes
    ) -> None:
        """Make a state durable, then let the store name it."""
        name = write_snapshot(root, sequence, body)
        note(store, "alerting", name, sequence)
        sweep(root, name)

    def _keep(self, changes: list[EpisodeChange]) -> None:
        """Episodes that only feed a roll-up never become alerts by themselves."""
        self.changes += [change for change in changes if change.rule_id not in self._members_only]


def _members_only(ruleset: RuleSet) -> frozenset[str]:
    return frozenset(rule.rule_id for rule in ruleset.rules if rule.is_member_only)


def _rules_of(home: Home, body: bytes, config: RuntimeConfig) -> RuleSet:
    """The rules that a state was made under, the newest ones where those were swept away."""
    name = generation_of(body)
    if name == config.ruleset.generation:
        return config.ruleset
    folder = generation_named(home.root, name)
    if folder is None:
        log.warning("rules generation %s of the snapshot is gone; states of changed rules are dropped", name)
        return config.ruleset
    return replace(load_rules(folder, name), windows=config.ruleset.windows)


def _folder(home: Home, ruleset: RuleSet, config: RuntimeConfig) -> Path:
    return generation_named(home.root, ruleset.generation) or config.folder
