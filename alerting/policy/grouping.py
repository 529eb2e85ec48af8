"""Which news go together into one notice, and when: so that people can read what a storm of alarms says. Pure.

A group is told at once about its first red, soon about anything else, then at most once an interval. When the whole
city sends more notices than anybody reads, what is due goes into one notice together until it calms down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerting.lifecycle.alert import Alert
from alerting.lifecycle.steps import Verb
from alerting.policy.labels import labels_of
from core.severity import COLOURS, NAMES_ZH, RANKS

STORM = "storm"
RED = RANKS["red"]
# The most urgent first: a notice is called by the first kind among its news.
URGENCY = (
    "escalated",
    "opened",
    "new_episode",
    "upgraded",
    "silence_ended",
    "new_member",
    "reminded",
    "downgraded",
    "past_danger",
    "resolved",
)
# What a verb of the life cycle is called when people are told; other verbs are not told.
NOTIFIED_AS = {
    Verb.OPENED: "opened",
    Verb.NEW_EPISODE: "new_episode",
    Verb.NEW_MEMBER: "new_member",
    Verb.UPGRADED: "upgraded",
    Verb.DOWNGRADED: "downgraded",
    Verb.CLEARED: "resolved",
    Verb.RESOLVED: "resolved",
    Verb.RELEASED: "silence_ended",
    Verb.REMINDED: "reminded",
    Verb.ESCALATED: "escalated",
    Verb.PAST_DANGER: "past_danger",
}
_KINDS_ZH = {
    "escalated": "上报督办",
    "opened": "预警",
    "new_episode": "再次发生",
    "upgraded": "预警升级",
    "silence_ended": "静默结束仍未解除",
    "new_member": "新增监测点",
    "reminded": "催办",
    "downgraded": "预警降级",
    "resolved": "已解除",
    "past_danger": "过去险情（迟到数据）",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of grouping.csv."""

    policy_id: str
    domain: str
    group_by: tuple[str, ...]
    red_wait: timedelta
    wait: timedelta
    interval: timedelta
    red_interval: timedelta
    flap_changes: int
    flap_window: timedelta
    storm_after: int
    storm_window: timedelta
    storm_interval: timedelta


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that happened to an alert and that a role must hear."""

    alert_id: str
    kind: str
    severity_rank: int
    to_role: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LastNotified:
    """When a group last heard something, and the highest rank in that interval."""

    last_at: datetime | None = None
    rank: int = 0


class Grouping:
    """The policies of every domain; `*` is for the rest."""

    def __init__(self, rows: Iterable[Mapping[str, str]]) -> None:
        self._policies = {row["domain"]: _policy(row) for row in rows}
        if "*" not in self._policies:
            raise ValueError("grouping.csv has no row for domain *; add one, every alert needs a group")
        self.rest = self._policies["*"]

    def policy(self, domain: str) -> Policy:
        """The policy of a domain."""
        return self._policies.get(domain, self.rest)

    def group_of(self, alert: Alert, to_role: str) -> tuple[str, Policy, dict[str, str]]:
        """Key, policy and common labels of the group that an alert's news for a role belong to."""
        policy = self.policy(alert.domain)
        labels = labels_of(alert)
        common = {label: str(labels[label]) for label in policy.group_by}
        key = "|".join((policy.policy_id, *common.values(), to_role, "exercise" if alert.is_exercise else ""))
        return key[:200], policy, common


def flush_at(
    policy: Policy, told: LastNotified, waiting_until: datetime | None, announcement: Announcement
) -> datetime:
    """When a group with a new announcement is told; never later than what already waits.

    A red in a group that was not told of one goes at once, and what the clock reminds of is late already.
    """
    is_red = announcement.severity_rank >= RED
    interval = policy.red_interval if is_red else policy.interval
    due = announcement.at + (policy.red_wait if is_red else policy.wait)
    is_first_red = is_red and told.rank < RED
    if told.last_at is not None and not is_first_red and announcement.kind not in ("reminded", "escalated"):
        due = max(due, told.last_at + interval)
    return min(due, waiting_until) if waiting_until is not None else due


def may_notify(policy: Policy, recent: Sequence[tuple[datetime, str, int]], rank: int, now: datetime) -> str:
    """Whether a group that is due is told by itself (`alone`), with all others (`together`), or has to `wait`.

    `recent` are the notices of the storm window: when, group key, rank. In any such window there are at most
    `storm_after` notices of single groups, one together an interval, and one more for a red that nobody was told of.
    """
    recent = [one for one in recent if one[0] > now - policy.storm_window]
    if len(recent) < policy.storm_after:
        return "alone"
    together = [at for at, key, _ in recent if key == STORM]
    red_is_new = rank >= RED and all(told_rank < RED for _, _, told_rank in recent)
    if red_is_new or not together or now - max(together) >= policy.storm_interval:
        return "together"
    return "wait"


def title_of(kind: str, alerts: Sequence[Alert], is_exercise: bool) -> tuple[str, str]:
    """One line in Chinese and in English: colour, what happened, where, and how many."""
    worst = max(alerts, key=lambda alert: (alert.severity_rank, alert.alert_id))
    colour = worst.colour
    mark_zh, mark_en = ("【演练】", "[EXERCISE] ") if is_exercise else ("", "")
    kind_zh, kind_en = _KINDS_ZH[kind], kind.replace("_", " ")
    if len(alerts) == 1:
        return (
            f"{mark_zh}【{NAMES_ZH[colour]}{kind_zh}】{worst.object_name_zh}：{worst.matters_zh}",
            f"{mark_en}{colour.capitalize()} alert {kind_en}: {worst.object_name_zh}: {worst.matters_en}",
        )
    counts = Counter(alert.severity_rank for alert in alerts)
    ranks = sorted(counts, reverse=True)
    shares_zh = "、".join(f"{NAMES_ZH[COLOURS[rank]]}{counts[rank]}" for rank in ranks)
    shares_en = ", ".join(f"{counts[rank]} {COLOURS[rank]}" for rank in ranks)
    categories = sorted({(alert.category_zh, alert.category_en) for alert in alerts})
    what_zh, what_en = categories[0] if len(categories) == 1 else ("多类风险", "several kinds of risk")
    return (
        f"{mark_zh}【{NAMES_ZH[colour]}{kind_zh}】{what_zh}：{len(alerts)}条（{shares_zh}）",
        f"{mark_en}{colour.capitalize()} alerts {kind_en}: {what_en}: {len(alerts)} ({shares_en})",
    )


def _policy(row: Mapping[str, str]) -> Policy:
    def seconds(name: str) -> timedelta:
        return timedelta(seconds=float(row[name]))

    return Policy(
        row["policy_id"],
        row["domain"],
        tuple(row["group_by"].split()),
        seconds("red_wait_s"),
        seconds("wait_s"),
        seconds("interval_s"),
        seconds("red_interval_s"),
        int(row["flap_changes"]),
        seconds("flap_window_s"),
        int(row["storm_after"]),
        seconds("storm_window_s"),
        seconds("storm_interval_s"),
    )
