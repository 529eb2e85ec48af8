"""An alert that begins and ends again and again is marked, and told once instead of every time. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerting.lifecycle.alert import Alert
from alerting.lifecycle.steps import Verb
from alerting.policy.grouping import Policy

FLIPS = (Verb.OPENED, Verb.NEW_EPISODE, Verb.CLEARED)
_KEPT = 20


@dataclass(frozen=True, slots=True)
class Flips:
    """The columns after one more change between holding and clear, and whether the alert flaps from now on."""

    flips_at: str
    is_flapping: bool
    flapping_until: datetime | None


def flipped(alert: Alert, at: datetime, policy: Policy) -> Flips:
    """Count a change: `flap_changes` of them within `flap_window` are flapping, until as long passes without one."""
    earlier: Sequence[str] = json.loads(alert.flips_at)
    since = at - policy.flap_window
    recent = [text for text in earlier if datetime.fromisoformat(text) > since]
    recent = [*recent, at.isoformat()][-max(_KEPT, policy.flap_changes) :]
    flaps = alert.is_flapping or len(recent) >= policy.flap_changes
    return Flips(json.dumps(recent), flaps, at + policy.flap_window if flaps else None)


def is_muted(alert: Alert, verb: Verb) -> bool:
    """Whether news are kept from people because the alert flaps; a worse colour never is."""
    return bool(alert.is_flapping) and verb in (Verb.NEW_EPISODE, Verb.CLEARED)
