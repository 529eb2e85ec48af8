"""What a person does on a page, put to `access` under the person's name, and what came of it, in words.

Called by widgets before the page is drawn again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from datetime import datetime, timedelta
from html import escape
from typing import Any

import streamlit as st

from access import alerts, alerts_view, devices, live, maintenance, publication, requests, rights
from dashboards import session
from dashboards.frame import BEIJING, Scene, present

_FIELDS = ("id", "colour", "kind", "area", "name", "text", "happened", "lon", "lat", "exercise")
# For how long a person may keep something quiet, or announce work, in one go.
LENGTHS = {
    "30m": timedelta(minutes=30),
    "2h": timedelta(hours=2),
    "8h": timedelta(hours=8),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
}
DEFAULT_LENGTH = "30m"
ADVISED = ("suppressed", "open", "acknowledged", "dispatched", "resolved")


def show_said(scene: Scene, place: str = "alert") -> None:
    """What came of the last deed at this place of the page; said once."""
    said = st.session_state.pop(f"said_{place}", None)
    if said is None:
        return
    is_done, text = said
    kind, role = ("", "status") if is_done else (" no", "alert")
    st.html(f'<div class="cr"><div class="said{kind}" role="{role}">{escape(text)}</div></div>')


def take_step(scene: Scene, alert: alerts_view.AlertDetail, step: str, comment_key: str) -> None:
    """One step of an alert's life, with the comment that stands in the form."""
    words, comment = scene.words, st.session_state.get(comment_key, "")
    name = words(f"step.{step}")
    if step in ("resolved", "commented") and not comment.strip():
        _say("alert", False, words("refused.comment", step=name))
        return

    def done(reader: rights.Reader, now: datetime) -> None:
        alerts.act(scene.home, reader, alert.alert_id, step, comment, now)

    if _try(scene, "alert", done, words(f"done.{step}"), name, alert.alert_id):
        st.session_state[comment_key] = ""


def silence(scene: Scene, alert: alerts_view.AlertDetail, reason_key: str) -> None:
    """Keep this rule at this object quiet for a while."""
    reason, length = st.session_state.get(reason_key, ""), st.session_state.get("silence_length") or DEFAULT_LENGTH
    if not reason.strip():
        _say("alert", False, scene.words("refused.reason"))
        return
    wanted = _labels(alert)

    def done(reader: rights.Reader, now: datetime) -> None:
        done_quiet.append(alerts.silence(scene.home, reader, wanted, reason, now + LENGTHS[length], now))

    done_quiet: list[alerts.Quieted] = []
    if _try(scene, "alert", done, ""):
        _say("alert", True, _quieted(scene, done_quiet[0], "done.silenced"))


def ask_publication(scene: Scene, alert: alerts_view.AlertDetail, comment_key: str) -> None:
    """Ask that a flagged alert be published, with the comment that stands in the form; another person releases it."""
    comment = st.session_state.get(comment_key, "")
    if not comment.strip():
        _say("alert", False, scene.words("refused.reason"))
        return

    def done(reader: rights.Reader, now: datetime) -> None:
        publication.ask(scene.home, reader, alert.alert_id, comment, now)

    if _try(scene, "alert", done, scene.words("done.asked")):
        st.session_state[comment_key] = ""


def silence_covers(scene: Scene, alert: alerts_view.AlertDetail) -> str:
    """What a silence of this rule at this object would cover, for the length that is chosen."""
    length = LENGTHS[st.session_state.get("silence_length") or DEFAULT_LENGTH]
    found: list[alerts.Covered] = []

    def done(reader: rights.Reader, now: datetime) -> None:
        found.append(alerts.covered(scene.home, reader, _labels(alert), length, now))

    if _try(scene, "covers", done, ""):
        return covered_said(scene, found[0])
    return str(st.session_state["said_covers"][1])


def _labels(alert: alerts_view.AlertDetail) -> dict[str, str]:
    return {"rule_id": alert.rule_id, "object_id": alert.object_id}


def end_silence(scene: Scene, silence_id: str) -> None:
    """End a silence before its time."""

    def done(reader: rights.Reader, now: datetime) -> None:
        alerts.end_silence(scene.home, reader, silence_id, now)

    _try(scene, "alert", done, scene.words("done.silence_ended"))


def announce_maintenance(scene: Scene, place: str, form: str) -> None:
    """Announce work on what is chosen or typed in a form, as it stands at this click.

    A kind with a colon names its target as well: `device:urban:GD420500000001`.
    """
    kind, target, length, reason = (
        str(st.session_state.get(f"{form}_work_{name}") or "") for name in ("kind", "target", "length", "reason")
    )
    if ":" in kind:
        kind, _, target = kind.partition(":")
    target = target.strip()
    if not (kind and target and reason.strip()):
        _say(place, False, scene.words("refused.reason" if kind and target else "refused.target"))
        return

    def done(reader: rights.Reader, now: datetime) -> None:
        ends_at = now + LENGTHS[length or DEFAULT_LENGTH]
        done_quiet.append(maintenance.announce(scene.home, reader, kind, target, reason, now, ends_at, now))

    done_quiet: list[alerts.Quieted] = []
    if _try(scene, place, done, ""):
        _say(place, True, _quieted(scene, done_quiet[0], "done.maintenance"))
        st.session_state[f"{form}_work_reason"] = ""


def look_at_maintenance(scene: Scene, place: str, form: str) -> None:
    """Say what work on the chosen target would cover, before anybody announces it."""
    kind, target, length = (
        str(st.session_state.get(f"{form}_work_{name}") or "") for name in ("kind", "target", "length")
    )
    if ":" in kind:
        kind, _, target = kind.partition(":")
    if not (kind and target.strip()):
        _say(place, False, scene.words("refused.target"))
        return
    found: list[alerts.Covered] = []

    def done(reader: rights.Reader, now: datetime) -> None:
        span = LENGTHS[length or DEFAULT_LENGTH]
        found.append(maintenance.covered(scene.home, reader, kind, target.strip(), span, now))

    if _try(scene, place, done, ""):
        _say(place, True, covered_said(scene, found[0]))


def covered_said(scene: Scene, covered: alerts.Covered) -> str:
    """What quiet would cover, and whether a second person would have to approve it."""
    needs = scene.words("request.needs_second" if covered.needs_second else "request.alone")
    return f"{scene.words.pick(*covered.description)}. {needs}"


def answer_request(scene: Scene, place: str, is_yes: bool) -> None:
    """Approve or refuse the request that is chosen at this click, as the second person."""
    request_id, comment = st.session_state[f"{place}_chosen"], st.session_state.get(f"{place}_comment", "")
    if not is_yes and not comment.strip():
        _say(place, False, scene.words("refused.reason"))
        return

    def done(reader: rights.Reader, now: datetime) -> None:
        (requests.approve if is_yes else requests.reject)(scene.home, reader, request_id, comment, now)

    if _try(scene, place, done, scene.words("done.approved" if is_yes else "done.rejected")):
        st.session_state[f"{place}_comment"] = ""


def _quieted(scene: Scene, done: alerts.Quieted, key: str) -> str:
    """What stands or waits now, with what it covers."""
    covers = scene.words.pick(*done.covers)
    return f"{scene.words('done.asked' if done.waits else key)} {covers}"


def cancel_maintenance(scene: Scene, place: str) -> None:
    """Take back the window that is chosen at this click."""
    window_id = st.session_state[f"{place}_work_window"]

    def done(reader: rights.Reader, now: datetime) -> None:
        maintenance.cancel(scene.home, reader, window_id, now)

    _try(scene, place, done, scene.words("done.maintenance_ended"))


def enter(scene: Scene) -> None:
    """Enter an event that somebody told us of, as the form's fields stand at this click.

    Values drawn into the button would be those of the last drawing: an exercise could be entered as real.
    """
    field: dict[str, Any] = {name: st.session_state.get(f"entry_{name}") for name in _FIELDS}
    name, text = (field["name"] or "").strip(), (field["text"] or "").strip()
    if not (name and text and field["area"] and field["kind"]):
        _say("entry", False, scene.words("refused.entry"))
        return
    domain, subdomain = field["kind"]
    report = alerts.Report(
        field["id"],
        domain,
        subdomain,
        field["colour"],
        field["area"],
        name,
        text,
        lon=field["lon"],
        lat=field["lat"],
        happened_at=_last(field["happened"], present()),
        is_exercise=bool(field["exercise"]),
    )

    def done(reader: rights.Reader, now: datetime) -> None:
        st.session_state["alert_chosen"] = alerts.enter(scene.home, reader, report, now)

    if _try(scene, "entry", done, scene.words("done.entered")):
        st.session_state["entry_name"] = st.session_state["entry_text"] = ""
        st.session_state.pop("entry_id", None)


def _last(shown: dt.time | None, now: datetime) -> datetime | None:
    """The last time that the Beijing clock showed this."""
    if shown is None:
        return None
    local = now.astimezone(BEIJING)
    at = datetime.combine(local.date(), shown, BEIJING)
    return at if at <= local else at - timedelta(days=1)


def decide_device(scene: Scene, verdict: devices.Verdict | None) -> None:
    """Ban or allow the device that is chosen at this click, or leave it to the register."""
    chosen = st.session_state.get("device_choice")
    if chosen is None:
        _say("device", False, scene.words("devices.choose"))
        return
    raw_feed, device_id = chosen
    reason = st.session_state.get("device_reason", "")
    if not reason.strip():
        _say("device", False, scene.words("refused.reason"))
        return

    def done(reader: rights.Reader, now: datetime) -> None:
        devices.decide(scene.home, reader, raw_feed, device_id, verdict, reason, now)

    if _try(scene, "device", done, scene.words("done.device")):
        st.session_state["device_reason"] = ""


def _try(
    scene: Scene,
    place: str,
    done: Callable[[rights.Reader, datetime], None],
    said: str,
    step: str = "",
    alert_id: str | None = None,
) -> bool:
    """Do it as the person who is logged in now, and keep in words what came of it."""
    words, now = scene.words, present()
    user = session.current(scene.home, now)
    if user is None:  # the session ended since the page was drawn
        return _say(place, False, words("refused.session"))
    try:
        done(user.reader, now)
    except rights.SecondNameError:
        return _say(place, False, words("refused.second"))
    except rights.NotAllowedError:
        return _say(place, False, words("refused.rights", role=words(f"role.{user.role}")))
    except alerts.IllegalStep:
        return _say(place, False, _why_not(scene, step, alert_id))
    except alerts.Conflict:
        return _say(place, False, words("refused.conflict"))
    except (alerts.NoRulesError, alerts.NotificationPolicyError):
        return _say(place, False, words("refused.desk"))
    except alerts.RoutingError:
        return _say(place, False, words("refused.entry"))
    except alerts.TooLong:
        return _say(place, False, words("refused.too_long"))
    except maintenance.UnknownTargetError:
        return _say(place, False, words("refused.target"))
    except LookupError:
        return _say(place, False, words("refused.gone"))
    return _say(place, True, said)


def _why_not(scene: Scene, step: str, alert_id: str | None) -> str:
    """The refusal with the state that the alert is in by now, and what would help."""
    words = scene.words
    with live.ops_reader(scene.home) as ops:
        found = alerts_view.alert(ops, scene.reader, alert_id) if ops is not None and alert_id else None
    state = found.state if found else "closed"
    advice = words(f"advice.{state}" if state in ADVISED else "advice.other")
    return words("refused.step", step=step, state=words(f"state.{state}"), advice=advice)


def _say(place: str, is_done: bool, text: str) -> bool:
    st.session_state[f"said_{place}"] = (is_done, text)
    return is_done
