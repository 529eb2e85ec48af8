"""The process's side of a shadow: take up what waits, fold beside the rules in force, write down what opened.

Whatever goes wrong in a shadow ends the shadow, never the rules in force.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from alerting.rules.load import load_rules
from alerting.runtime_config import RuntimeConfig
from alerting.shadow.evaluation import Shadow, save
from alerting.workflow.rule_proposals import waiting_rules
from core.settings import Home
from core.stream.live import LiveBatch

log = logging.getLogger(__name__)


class ShadowProcess:
    """The shadow of one process, none as long as nothing waits."""

    def __init__(self, home: Home, engine: sa.Engine, now: Callable[[], datetime]) -> None:
        self._home, self._engine, self._now = home, engine, now
        self._shadow: Shadow | None = None
        self._of: tuple[str, str, str] | None = None  # request, generation in force, registers
        self._ended = ""  # a request whose shadow broke is not begun again
        self.failure = ""

    @property
    def request_id(self) -> str | None:
        """The proposal that runs in shadow."""
        return self._shadow.request_id if self._shadow else None

    def fold(self, batch: LiveBatch) -> None:
        """Take one message, once the rules in force have it."""
        if self._shadow is None:
            return
        try:
            self._shadow.fold(batch)
        except Exception as error:  # proposed rules must not end those in force
            log.exception("the shadow ended; the rules in force go on")
            self._end(error)

    def look(self, config: RuntimeConfig) -> None:
        """Write down what opened, and begin or end with what waits now."""
        try:
            self._look(config)
        except sa.exc.OperationalError as error:
            log.warning("the shadow is looked at again: %s", error)
        except Exception as error:  # proposed rules must not end those in force
            log.exception("the shadow ended; the rules in force go on")
            self._end(error)

    def _look(self, config: RuntimeConfig) -> None:
        if self._shadow is not None:
            save(self._engine, self._shadow.request_id, self._shadow.taken())
        with self._engine.connect() as connection:
            found = waiting_rules(connection, self._home.root, self._now())
        if found is None:
            self._shadow, self._of, self.failure = None, None, ""
            return
        request, folder = found
        of = (request.request_id, config.ruleset.generation, config.registers)
        if request.request_id == self._ended:
            return
        if of != self._of or self._shadow is None:
            proposed = load_rules(folder, folder.name)
            self._shadow, self._of = Shadow(request, config.ruleset, proposed, config.registry), of
            self.failure = ""
        else:
            self._shadow.plan_maintenance(config.ruleset.windows)

    def _end(self, error: Exception) -> None:
        self._ended = self._of[0] if self._of else self._ended
        self._shadow = None
        self.failure = f"proposed rules ended in shadow, those in force go on: {type(error).__name__}: {error}"
