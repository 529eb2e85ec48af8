"""Write down which feeds are late, silent, broken or drifted: one row when it starts, one when it is over.

The state of things is read from rows (verdicts, fetch outcomes, held batches); a notification row is opened when a
trouble begins and cleared when it ends, so a run that finds the same trouble says nothing. People hear of them by
`alerting.notify.channels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, get_args

import sqlalchemy as sa

from core.contract import Contract
from core.store import tables
from quality.checks import UnknownRuleError, checks_of

REMEMBERED = timedelta(days=30)

Trouble = Literal["late", "silent", "broken", "drifted"]
_TITLES: Mapping[str, tuple[str, str]] = {
    "late": ("数据迟到", "late"),
    "silent": ("数据中断", "silent"),
    "broken": ("接入故障", "broken"),
    "drifted": ("数据分布异常", "drifted"),
    "recovered": ("已恢复", "recovered"),
}


def update_troubles(engine: sa.Engine, contracts: Mapping[str, Contract], now: datetime) -> None:
    """Bring the open notifications in line with the troubles there are, in one transaction."""
    n = tables.notification.c
    with engine.begin() as connection:
        troubles = find_troubles(connection, contracts, now)
        rows = connection.execute(
            sa.select(n.id, n.feed_id, n.kind).where(n.cleared_at.is_(None), n.kind.in_(get_args(Trouble)))
        ).all()
        is_open = {(str(row.feed_id), str(row.kind)) for row in rows}
        for row in rows:
            if (row.feed_id, row.kind) not in troubles:
                connection.execute(tables.notification.update().where(n.id == row.id).values(cleared_at=now))
                _announce_recovery(connection, contracts, str(row.feed_id), str(row.kind), troubles, now)
        for (feed_id, kind), (zh, en) in sorted(troubles.items()):
            if (feed_id, kind) not in is_open:
                _open(connection, contracts[feed_id], kind, zh, en, now, None)


def find_troubles(
    connection: sa.Connection, contracts: Mapping[str, Contract], now: datetime
) -> dict[tuple[str, Trouble], tuple[str, str]]:
    """What is the matter now: (feed, trouble) → Chinese and English text."""
    troubles: dict[tuple[str, Trouble], tuple[str, str]] = {}
    for feed_id, contract in contracts.items():
        for verdict in _newest_verdicts(connection, contract, now):
            said = (str(verdict.message_zh), str(verdict.message_en))
            if verdict.verdict == "raised":
                troubles.setdefault((feed_id, "broken"), said)
            elif verdict.verdict == "failed" and verdict.kind == "freshness":
                silent_h = contract.silent_after.total_seconds() / 3600
                is_silent = verdict.observed is None or float(verdict.observed) > silent_h
                troubles[feed_id, "silent" if is_silent else "late"] = said
            elif verdict.verdict == "failed" and verdict.kind == "distribution_drift":
                troubles.setdefault((feed_id, "drifted"), said)
            elif verdict.verdict == "failed" and verdict.kind == "refused":
                troubles.setdefault((feed_id, "broken"), said)
        broken = _held(connection, feed_id) or _fetch_fault(connection, feed_id)
        if broken:
            troubles[feed_id, "broken"] = broken
    return troubles


def _newest_verdicts(connection: sa.Connection, contract: Contract, now: datetime) -> list[sa.Row[*tuple[object, ...]]]:
    """The last word on each check that the contract still states, of the last month.

    `checks` (they could not even begin) counts only while nothing was checked since.
    """
    v = tables.check_verdict.c
    of_feed = [v.feed_id == contract.id, v.at >= now - REMEMBERED]
    last = sa.select(sa.func.max(v.id)).where(*of_feed).group_by(v.check_id)
    rows = connection.execute(
        sa.select(v.check_id, v.kind, v.verdict, v.observed, v.message_zh, v.message_en)
        .where(v.id.in_(last))
        .order_by(v.id)
    ).all()
    try:
        stated = {check.id for check in checks_of(contract)}
    except UnknownRuleError:
        stated = set()
    return [row for row in rows if row.check_id in stated] + [row for row in rows[-1:] if row.kind == "checks"]


def _held(connection: sa.Connection, feed_id: str) -> tuple[str, str] | None:
    """Batches that wait for a person or for better company."""
    b = tables.batch.c
    n_held = connection.execute(sa.select(sa.func.count()).where(b.feed_id == feed_id, b.state == "held")).scalar_one()
    if not n_held:
        return None
    return (
        f"{n_held} 个批次未通过检查，暂不入库；请查看质量页，修正后自动复核，或由授权人员放行。",
        f"{n_held} batches did not pass their checks and wait; see the quality page: they are checked again by each "
        "run, or an entitled person releases them.",
    )


def _fetch_fault(connection: sa.Connection, feed_id: str) -> tuple[str, str] | None:
    """The last pull, when it did not come through. What was refused as a whole counts until something lands again."""
    o = tables.fetch_outcome.c
    asked = sa.select(o.result, o.detail, o.rows_quarantined).where(o.feed_id == feed_id).order_by(o.id.desc()).limit(1)
    last = connection.execute(asked).first()
    if last is None:
        return None
    if last.result == "nothing_new":
        last = connection.execute(asked.where(o.result != "nothing_new")).first()
        if last is None or last.result != "rejected":
            return None
    detail = " ".join(str(last.detail).split())[:300]
    match last.result:
        case "unreachable":
            return (
                f"无法连接部门系统：{detail}。请检查网络与接口。",
                f"The department's system cannot be reached: {detail}. See to the network and the interface.",
            )
        case "refused":
            return (
                f"部门系统拒绝访问：{detail}。请检查账号、令牌与权限。",
                f"The department's system refuses us: {detail}. See to the account, the token and its rights.",
            )
        case "wrong_answer":
            return (
                f"部门系统应答有误：{detail}。请与部门核对接口。",
                f"The department's system answers wrongly: {detail}. Compare the interface with the department.",
            )
        case "unreadable":
            return (
                f"报送文件无法读取：{detail}。请检查目录权限。",
                f"Delivered files cannot be read: {detail}. See to the folder's rights.",
            )
        case "not_configured":
            return (
                f"接入未配置：{detail}。请补充设置。",
                f"The feed is not configured: {detail}. Give the setting.",
            )
        case "failed":
            return (
                f"接入程序出错，属系统故障：{detail}。请查看日志。",
                f"The pull crashed, which is our fault: {detail}. See the log.",
            )
        case "rejected" if last.rows_quarantined:
            return (
                f"最近一次报送全部被拒收：{detail}。请查看隔离区中的原因。",
                f"Everything of the last delivery was refused: {detail}. See the reasons in quarantine.",
            )
    return None


def _announce_recovery(
    connection: sa.Connection,
    contracts: Mapping[str, Contract],
    feed_id: str,
    kind: str,
    troubles: Mapping[tuple[str, Trouble], tuple[str, str]],
    now: datetime,
) -> None:
    """Say that a trouble is over, unless it only changed its name (late → silent) or the feed itself is gone."""
    still_behind = kind in ("late", "silent") and bool({(feed_id, "late"), (feed_id, "silent")} & troubles.keys())
    if feed_id in contracts and not still_behind:
        zh, en = _TITLES[kind]
        _open(connection, contracts[feed_id], "recovered", f"“{zh}”已解除。", f"No longer {en}.", now, now)


def _open(
    connection: sa.Connection,
    contract: Contract,
    kind: str,
    zh: str,
    en: str,
    now: datetime,
    cleared_at: datetime | None,
) -> None:
    title_zh, title_en = _TITLES[kind]
    connection.execute(
        tables.notification.insert().values(
            feed_id=contract.id,
            kind=kind,
            text_zh=f"【{title_zh}】{contract.department_zh}·{contract.name_zh}：{zh}",
            text_en=f"[{title_en}] {contract.name_en} ({contract.id}): {en}",
            raised_at=now,
            cleared_at=cleared_at,
            attempts=0,
        )
    )
