"""Reminders, escalation, closing and archiving by the clock: rows per state and colour. Pure.

The clock of a state starts when the alert entered it (or grew worse in it) and is a column of the alert, so that
whoever starts later goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row of escalations.csv: what happens `after` a time in a state; the last of a state may repeat."""

    action: str  # remind, escalate, close, archive
    to_role: str
    after: timedelta
    repeat: timedelta | None


class Escalations:
    """The steps of every state and colour, in order."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._steps: dict[tuple[str, str], list[StepRow]] = {}
        for row in sorted(rows, key=lambda row: (row["state"], row["colour"], int(row["step_no"]))):
            repeat = float(row["repeat_minutes"])
            step = StepRow(
                row["action"],
                row["to_role"],
                timedelta(minutes=float(row["after_minutes"])),
                timedelta(minutes=repeat) if repeat else None,
            )
            self._steps.setdefault((row["state"], row["colour"]), []).append(step)

    def step(self, state: str, colour: str, step_no: int) -> StepRow | None:
        """The step after `step_no` taken ones: the next, the last again when it repeats, None when all is done."""
        steps = self._steps.get((state, colour), [])
        if step_no < len(steps):
            return steps[step_no]
        return steps[-1] if steps and steps[-1].repeat else None

    def closes(self, state: str, colour: str, step_no: int) -> bool:
        """Whether the step after `step_no` taken ones closes the alert."""
        step = self.step(state, colour, step_no)
        return step is not None and step.action == "close"

    def next_at(self, state: str, colour: str, step_no: int, entered_at: datetime) -> datetime | None:
        """When that step is due."""
        step = self.step(state, colour, step_no)
        if step is None:
            return None
        n_steps = len(self._steps[state, colour])
        n_repeats = max(step_no - n_steps + 1, 0)
        return entered_at + step.after + n_repeats * (step.repeat or timedelta(0))

    def taken_by(self, state: str, colour: str, step_no: int, entered_at: datetime, now: datetime) -> int:
        """Steps taken once the one after `step_no` is: repeats that were missed meanwhile count as one."""
        taken = step_no + 1
        while self.step(state, colour, taken) is self.step(state, colour, step_no):
            due = self.next_at(state, colour, taken, entered_at)
            if due is None or due > now:
                break
            taken += 1
        return taken

    def due_at(self, state: str, colour: str, entered_at: datetime) -> datetime | None:
        """By when the state should have been left: the first time that somebody higher is called."""
        for step in self._steps.get((state, colour), []):
            if step.action == "escalate":
                return entered_at + step.after
        return None
