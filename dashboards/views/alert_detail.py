"""One alert: what is known, by which standard, whose it is, what happened to it, and the steps a person may take.

The facts are redrawn every second; the form is not, so that a comment stays while somebody types it. A step that is
refused says why in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

import streamlit as st

from access import alert_words, channels, live, publication
from access import alerts as deeds
from access import alerts_view as alerts
from dashboards import commands, live_client, look
from dashboards.frame import BEIJING, Scene, clock, may_not, present
from dashboards.views import maintenance

REFRESH_S = 1.0
# The steps in the order of the life cycle; the first one that is possible is the one to take next.
STEPS = ("acknowledged", "dispatched", "resolved", "closed", "commented")
ShownAlert = alerts.AlertDetail | alerts.ListedAlert
_EVIDENCE = ("text read", "secondary", "unconfirmed", "design", "reported")


def draw(scene: Scene, alert_id: str) -> None:
    """Facts and form of the chosen alert."""
    with live.ops_reader(scene.home) as ops:
        alert, published = _read(scene, ops, alert_id)
    if alert is None:
        st.html(f'<div class="cr">{look.banner("warn", scene.words("alert.gone"))}</div>')
        st.session_state["alert_chosen"] = None
        return
    _facts(scene, alert_id, alert.state)
    _form(scene, alert, published)


def _read(
    scene: Scene, ops: live.OpsReader | None, alert_id: str
) -> tuple[alerts.AlertDetail | None, publication.State]:
    """An alert, and how its publication stands."""
    alert = alerts.alert(ops, scene.reader, alert_id) if ops is not None else None
    return alert, publication.state_of(ops, alert) if ops is not None and alert is not None else "never"


# ── facts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@st.fragment(run_every=REFRESH_S)
def _facts(scene: Scene, alert_id: str, drawn_state: str) -> None:
    with live.ops_reader(scene.home) as ops:
        alert, published = _read(scene, ops, alert_id)
    if alert is None or alert.state != drawn_state:  # the form must follow
        st.rerun()
    words = scene.words
    level = look.risk_mark(alert.colour, words(f"warning.{alert.colour}"))
    state = look.state_mark(alert.shown_state, words(f"state.{alert.shown_state}"))
    head = (
        f'<h2>{escape(alert.object_name_zh)}</h2><div class="marks" style="font-size:.95rem">{level} {state}</div>'
        f"<div>{scene.name(alert.matters_zh, alert.matters_en)}</div>{marks(scene, alert)}"
    )
    st.html(f'<div class="cr alert-facts">{head}{look.facts(_pairs(scene, alert, published))}</div>')


def _pairs(scene: Scene, alert: alerts.AlertDetail, published: publication.State) -> list[tuple[str, str]]:
    words = scene.words
    unit = unit_of(scene, alert)
    pairs = []
    if alert.value is not None:
        limit = "" if alert.threshold is None else f" / {number(alert.threshold)}"
        peak = "" if alert.peak_value is None else f" · {words('alert.peak')} {number(alert.peak_value)}"
        pairs.append((words("alerts.value"), escape(f"{number(alert.value)}{limit} {unit}{peak}")))
    label = scene.name(*alert_words.wording(scene.home).of("source_label", alert.source_label))
    pairs += [
        (words("alerts.basis"), f"{basis_of(scene, alert)}<small>{label}</small>{_grade(scene, alert)}"),
        (words("alert.area"), scene.name(alert.possible_area_zh, alert.possible_area_en)),
        *([(words("alert.spot"), scene.name(alert.spot_zh, alert.spot_en))] if alert.spot_zh else []),
        (words("alert.unit"), scene.name(alert.disposing_unit_zh, alert.disposing_unit_en)),
        (words("alert.contact"), f"<b>{escape(alert.contact)}</b>"),
        (words("alert.clocks"), _clocks(scene, alert)),
        (
            words("alert.count"),
            words("alert.counted", reports=alert.n_reports, holding=alert.n_holding, group=alert.n_in_group),
        ),
    ]
    if alert.dispatched_to:
        pairs.append((words("alert.sent_to"), escape(alert.dispatched_to)))
    if alert.suppressed_by:
        pairs.append((words("alert.quiet_by"), _quiet_by(scene, alert)))
    pairs.append((words("alert.publication"), escape(words(f"publication.{published}"))))
    guide = scene.name(alert.measures_zh, alert.measures_en)
    issued = clock(alert.issued_at) if alert.issued_at else "–"
    return [
        *pairs,
        (words("alert.guide"), guide),
        (words("alert.issuer"), f"{scene.name(alert.issuer_zh, alert.issuer_en)} · {issued}"),
        ("ID", f"<small>{escape(alert.object_id)} · {escape(alert.rule_id)}<br>{alert.alert_id}</small>"),
    ]


def _clocks(scene: Scene, alert: alerts.AlertDetail) -> str:
    words = scene.words
    began = alert.opened_at or alert.starts_at
    lines = [f"{second(began)} · {lasting(scene, alert)}"]
    if alert.due_at is not None and alert.state in alerts.WORKED_ON:
        due = words(f"due.{alert.shown_state}")
        lines.append(f"{due} {live_client.until(alert.due_at)}")
    for state in ("acknowledged", "dispatched", "resolved", "closed"):
        at = getattr(alert, f"{state}_at")
        if at is not None:
            by = f" · {escape(alert.acknowledged_by or '')}" if state == "acknowledged" else ""
            lines.append(f"{escape(words(f'state.{state}'))} {second(at)}{by}")
    return "<br>".join(lines)


def _quiet_by(scene: Scene, alert: alerts.AlertDetail) -> str:
    silence = alert.silenced
    if silence is None:
        return escape(scene.words("alert.inhibited"))
    said = scene.words("alert.silenced", until=clock(silence.ends_at), actor=silence.actor)
    return f"{escape(said)}<small>{escape(silence.reason)}</small>"


# ── form ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _form(scene: Scene, alert: alerts.AlertDetail, published: publication.State) -> None:
    words, alert_id = scene.words, alert.alert_id
    commands.show_said(scene)
    barred = {step: may_not(scene, deeds.roles_of(step), alert.area_code) for step in STEPS}
    is_locked = all(barred.values())
    if is_locked:
        st.html(f'<div class="cr"><p class="quiet">{escape(barred["commented"])}</p></div>')
    st.text_area(
        words("alert.comment"),
        key=f"alert_comment_{alert_id}",
        height=72,
        disabled=is_locked,
        placeholder=words("alert.comment_hint"),
    )
    possible = alerts.allowed(alert.state)
    following = next((step for step in STEPS if step in possible), None)
    with st.container(horizontal=True, gap="small"):
        for step in STEPS:
            st.button(
                words(f"step.{step}"),
                key=f"alert_step_{step}",
                disabled=bool(barred[step]),
                type="primary" if step == following else "secondary",
                on_click=commands.take_step,
                args=(scene, alert, step, f"alert_comment_{alert_id}"),
            )
    if not may_not(scene, deeds.SILENCE_ROLES, alert.area_code):
        if published in ("held", "refused"):
            st.button(
                words("publication.ask"),
                key="alert_publish",
                on_click=commands.ask_publication,
                args=(scene, alert, f"alert_comment_{alert_id}"),
            )
        _quieten(scene, alert)
        maintenance.of_alert(scene, alert)


def _quieten(scene: Scene, alert: alerts.AlertDetail) -> None:
    words, alert_id = scene.words, alert.alert_id
    if alert.silenced is not None and alert.state == "suppressed":
        st.button(
            words("silence.end"),
            key="silence_end",
            on_click=commands.end_silence,
            args=(scene, alert.silenced.silence_id),
        )
        return
    if alert.state not in ("open", "acknowledged", "dispatched"):
        return
    with st.expander(words("silence.title"), key=f"silence_box_{alert_id}"):
        st.html(f'<div class="cr"><p class="quiet">{escape(words("silence.note"))}</p></div>')
        st.segmented_control(
            words("silence.length"),
            list(commands.LENGTHS),
            default=commands.DEFAULT_LENGTH,
            format_func=lambda one: words(f"length.{one}"),
            key="silence_length",
        )
        st.html(f'<div class="cr"><p class="quiet">{escape(commands.silence_covers(scene, alert))}</p></div>')
        st.text_input(words("silence.reason"), key=f"silence_reason_{alert_id}")
        st.button(
            words("silence.begin"),
            key="silence_begin",
            on_click=commands.silence,
            args=(scene, alert, f"silence_reason_{alert_id}"),
        )


# ── history ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@st.fragment(run_every=REFRESH_S)
def story(scene: Scene, alert_id: str) -> None:
    """What happened to an alert and who was told, newest first."""
    words = scene.words
    with live.ops_reader(scene.home) as ops:
        if ops is None:
            return
        alert = alerts.alert(ops, scene.reader, alert_id)
        events, sent = alerts.history(ops, alert_id), alerts.deliveries(ops, alert_id)
    unit = unit_of(scene, alert) if alert is not None else ""
    lines = "".join(f"<li>{_event(scene, event, unit)}</li>" for event in events)
    told = "".join(f"<li>{line}</li>" for line in _deliveries(scene, sent))
    told = f'<h2>{words("alert.told")}</h2><ul class="history">{told}</ul>' if told else ""
    st.html(f'<div class="cr"><h2>{words("alert.history")}</h2><ul class="history">{lines}</ul>{told}</div>')


def _event(scene: Scene, event: alerts.AlertEvent, unit: str) -> str:
    words = scene.words
    actor = event.actor
    by_us = actor in ("rule", "clock", "silence", "inhibition")
    who = words(f"actor.{actor}") if by_us else actor
    measured = "" if event.value is None or not by_us else f"{number(event.value)} {unit}".rstrip()
    value = f" · {escape(measured)}" if measured else ""
    colour = look.risk_mark(event.colour, words(f"colour_short.{event.colour}"))
    # What the engine writes as a reason stands in the facts already; what people wrote is kept to the letter.
    said = "" if by_us or not event.reason else f"<q>{escape(event.reason)}</q>"
    kind = escape(words(f"event.{event.kind}"))
    return f'<span class="when">{second(event.at)}</span> <b>{kind}</b> {colour}{value} · {escape(who)}{said}'


def _deliveries(scene: Scene, rows: Sequence[alerts.DeliveryCount]) -> list[str]:
    """One line for each kind of news and what became of it, with the channels that carry it."""
    words, names = scene.words, channels.names(scene.home)
    lines: dict[tuple[str, str], list[alerts.DeliveryCount]] = {}
    for row in rows:
        lines.setdefault((row.kind, row.state), []).append(row)
    said = []
    for (kind, state), carried in lines.items():
        carriers = words("alert.and").join(
            words.pick(*names.get(row.channel_id, (row.channel_id,) * 2))
            + (f" ×{row.n}" if row.n > 1 else "")
            + (words("alert.tries", n=row.attempts) if row.attempts > 1 else "")
            for row in carried
        )
        head = f"<b>{escape(words(f'told.{kind}'))}</b> · {escape(words(f'delivery.{state}'))}"
        said.append(f'<span class="when">{second(carried[0].last_at)}</span> {head}<small>{escape(carriers)}</small>')
    return said


# ── pieces ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def marks(scene: Scene, row: ShownAlert) -> str:
    """The marks that change how an alert is read: silent, exercise, late, flapping, phoned in, again, escalated."""
    words = scene.words
    said: Sequence[tuple[bool, str, str]] = [
        (row.is_exercise, "exercise", words("mark.exercise")),
        *((True, "flag", words.pick(*mark)) for mark in alerts.marks_of(row)),
        (row.is_flapping, "flag", words("mark.flapping")),
        (row.origin == "person", "", words("mark.reported")),
        (row.n_reopened > 0, "flag", words("mark.again", n=row.n_reopened)),
        (row.escalation_level > 0, "low", words("mark.escalated", n=row.escalation_level)),
        (row.n_reports > 1, "", f"×{row.n_reports}"),
    ]
    if row.last_heard_at is not None:
        said = [(True, "low", words("mark.unheard", at=second(row.last_heard_at))), *said]
    inside = "".join(look.badge(kind, text) for holds, kind, text in said if holds)
    return f'<div class="marks">{inside}</div>' if inside else ""


def _grade(scene: Scene, row: ShownAlert) -> str:
    """How well the threshold's source is known; one that is not confirmed stands out."""
    found = row.evidence_grade
    if found not in _EVIDENCE:
        return f'<div class="marks">{look.badge("", found)}</div>' if found else ""
    is_doubtful = found == "unconfirmed"
    text = scene.words(f"evidence.{found.replace(' ', '_')}")
    return f'<div class="marks">{look.badge("low" if is_doubtful else "", f"⚠ {text}" if is_doubtful else text)}</div>'


def lasting(scene: Scene, row: ShownAlert) -> str:
    """For how long it has gone on, on a clock that runs; when it ended, where it did."""
    if row.resolved_at is not None:
        return escape(scene.words("alerts.over", at=clock(row.resolved_at)))
    return f"{scene.words('alerts.since')} {live_client.since(row.opened_at or row.starts_at)}"


def number(value: float) -> str:
    """A measured value without figures that nobody measured."""
    return f"{value:,.6g}"


def unit_of(scene: Scene, row: ShownAlert) -> str:
    """The unit as people write it; codes and pure numbers have none."""
    return scene.words.pick_one(alert_words.wording(scene.home).of("unit", row.unit))


def basis_of(scene: Scene, row: ShownAlert) -> str:
    """Standard and clause in the page's language, escaped."""
    return scene.name(*alert_words.wording(scene.home).basis(row.standard, row.clause)) or "–"


def second(at: datetime) -> str:
    """An instant on the Beijing clock, to the second; the day only when it is another one."""
    local = at.astimezone(BEIJING)
    is_today = local.date() == present().astimezone(BEIJING).date()
    return local.strftime("%H:%M:%S" if is_today else "%m-%d %H:%M:%S")
