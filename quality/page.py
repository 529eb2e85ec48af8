"""A page per feed, Chinese and English, that a steward can read: how each promise stands, and what was found before.

Rendered from verdict rows alone, as one HTML file that loads nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Literal, cast

import sqlalchemy as sa

from core.civil_time import CIVIL_ZONE
from core.contract import Contract
from core.settings import Home
from core.store import tables
from quality.checks import Kind
from quality.verdict import Result, Verdict, read_verdicts

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
HISTORY_RUNS = 30

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "zh": {
        "title": "数据质量",
        "department": "部门",
        "owner": "负责人",
        "steward": "数据管理员",
        "version": "契约版本",
        "grain": "粒度",
        "now": "当前结论",
        "history": "检查记录",
        "check": "检查项",
        "kind": "类别",
        "verdict": "结论",
        "observed": "实测",
        "expected": "约定",
        "said": "说明",
        "rows": "检查行数",
        "at": "时间",
        "samples": "例如",
        "none": "尚未检查。",
        "not_passed": "未通过的检查",
        "warning": "警告",
        "error": "阻断",
        "passed": "通过",
        "failed": "不合格",
        "raised": "未能检查",
        "all_passed": "全部通过",
        "meaning": "“不合格”是数据问题；“未能检查”是系统故障，与数据无关，批次同样暂不入库。时间为北京时间。",
    },
    "en": {
        "title": "Data quality",
        "department": "Department",
        "owner": "Owner",
        "steward": "Steward",
        "version": "Contract version",
        "grain": "Grain",
        "now": "As it stands",
        "history": "Earlier runs",
        "check": "Check",
        "kind": "Kind",
        "verdict": "Verdict",
        "observed": "Observed",
        "expected": "Agreed",
        "said": "In words",
        "rows": "Rows checked",
        "at": "Time",
        "none": "Nothing was checked yet.",
        "samples": "For example",
        "not_passed": "Not passed",
        "warning": "warning",
        "error": "blocking",
        "passed": "passed",
        "failed": "failed",
        "raised": "raised",
        "all_passed": "all passed",
        "meaning": "“Failed” speaks about the data; “raised” is a fault of ours and says nothing about the data, "
        "though the batch waits all the same. Times are Beijing time.",
    },
}
_KINDS: Mapping[Kind, tuple[str, str]] = {
    "not_null": ("必填", "required"),
    "range": ("取值范围", "range"),
    "allowed": ("约定取值", "allowed values"),
    "pattern": ("格式", "pattern"),
    "unique_key": ("主键唯一", "unique key"),
    "volume": ("数据量", "volume"),
    "freshness": ("时效", "freshness"),
    "refused": ("拒收比例", "share refused"),
    "distribution_drift": ("分布漂移", "drift of the distribution"),
    "reference": ("跨源引用", "reference to another feed"),
    "sum": ("跨源合计", "sum across feeds"),
    "checks": ("整体检查", "all checks"),
}
_MARKS: Mapping[Result, str] = {"passed": "✓", "failed": "✗", "raised": "!"}
_STYLE = """
body{font:16px/1.6 system-ui,"Noto Sans CJK SC","WenQuanYi Micro Hei",sans-serif;max-width:72rem;margin:2rem auto;
padding:0 1rem;color:#1d2733;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;vertical-align:top;
padding:.4rem .6rem;border-bottom:1px solid #d9dfe6}td.n{text-align:right;white-space:nowrap}
.passed{color:#1b6e3c}.failed{color:#a3171b;font-weight:600}.raised{color:#8a4b00;font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{color:#5a6675}dd{margin:0}
"""


def write_pages(
    home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], feed_ids: Iterable[str] | None = None
) -> list[Path]:
    """Write `quality/<feed_id>.<language>.html` of the home for the feeds given, or for all; gives the paths."""
    folder = home.root / "quality"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for feed_id in contracts if feed_ids is None else feed_ids:
        with engine.connect() as connection:
            verdicts = read_history(connection, feed_id)
        for language in LANGUAGES:
            path = folder / f"{feed_id}.{language}.html"
            partial = path.with_suffix(".partial")
            partial.write_text(render_feed_page(contracts[feed_id], verdicts, language), encoding="utf-8")
            os.replace(partial, path)
            paths.append(path)
    return paths


def read_history(connection: sa.Connection, feed_id: str) -> list[Verdict]:
    """The last word on each check, and all verdicts of the last runs, oldest first."""
    v = tables.check_verdict.c
    runs = (
        sa.select(v.run_id)
        .where(v.feed_id == feed_id)
        .group_by(v.run_id)
        .order_by(sa.func.max(v.id).desc())
        .limit(HISTORY_RUNS)
    )
    last = sa.select(sa.func.max(v.id)).where(v.feed_id == feed_id).group_by(v.check_id)
    wanted = sa.select(tables.check_verdict).where(v.feed_id == feed_id, sa.or_(v.id.in_(last), v.run_id.in_(runs)))
    return read_verdicts(connection, wanted.order_by(v.id))


def render_feed_page(contract: Contract, verdicts: Sequence[Verdict], language: Language) -> str:
    """One HTML page about a feed. `verdicts` oldest first: the last one of each check is how it stands."""
    words, name = _WORDS[language], contract.name_zh if language == "zh" else contract.name_en
    newest = list({v.check_id: v for v in verdicts}.values())
    facts = {
        "department": contract.department_zh,
        "owner": contract.owner,
        "steward": contract.steward,
        "version": contract.version,
        "grain": contract.grain,
    }
    facts_html = "".join(f"<dt>{words[k]}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head><meta charset="utf-8">'
        f"<title>{escape(name)} · {words['title']}</title><style>{_STYLE}</style></head>\n<body>\n"
        f"<h1>{escape(name)} <small><code>{escape(contract.id)}</code></small></h1>\n<dl>{facts_html}</dl>\n"
        f"<h2>{words['now']}</h2>\n{_standing(newest, language)}\n"
        f"<h2>{words['history']}</h2>\n{_history(verdicts, language)}\n"
        f"<p>{words['meaning']}</p>\n</body>\n</html>\n"
    )


def _standing(newest: Sequence[Verdict], language: Language) -> str:
    """The last word on each check, what did not pass first."""
    words = _WORDS[language]
    if not newest:
        return f"<p>{words['none']}</p>"
    order = {"raised": 0, "failed": 1, "passed": 2}
    heads = "".join(f"<th>{words[k]}</th>" for k in ("verdict", "check", "observed", "expected", "said", "rows", "at"))
    rows = "\n".join(_standing_row(v, language) for v in sorted(newest, key=lambda v: order[v.verdict]))
    return f"<p>{_counts(newest, language)}</p>\n<table>\n<tr>{heads}</tr>\n{rows}\n</table>"


def _standing_row(verdict: Verdict, language: Language) -> str:
    words, i = _WORDS[language], LANGUAGES.index(language)
    kind = _KINDS[cast(Kind, verdict.kind)][i]
    weight = "" if verdict.verdict == "passed" else f" ({words[verdict.severity]})"
    observed = "–" if verdict.observed is None else f"{verdict.observed:.6g}"
    said = escape(verdict.message_zh if language == "zh" else verdict.message_en)
    if verdict.samples:
        said += f"<br>{words['samples']}: " + ", ".join(f"<code>{escape(text)}</code>" for text in verdict.samples)
    return (
        f'<tr><td class="{verdict.verdict}">{_MARKS[verdict.verdict]} {words[verdict.verdict]}{weight}</td>'
        f"<td>{kind}<br><code>{escape(verdict.check_id)}</code></td>"
        f'<td class="n">{observed}</td><td>{escape(verdict.expected)}</td><td>{said}</td>'
        f'<td class="n">{verdict.rows_checked}</td><td class="n">{_civil(verdict.at)}</td></tr>'
    )


def _history(verdicts: Sequence[Verdict], language: Language) -> str:
    """One line for each of the last runs, newest first: the counts, and what did not pass."""
    words = _WORDS[language]
    runs: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        runs.setdefault(verdict.run_id, []).append(verdict)
    latest = sorted(runs.values(), key=lambda run: run[-1].at, reverse=True)[:HISTORY_RUNS]
    if not latest:
        return f"<p>{words['none']}</p>"
    lines = []
    for run in latest:
        bad = ", ".join(f"<code>{escape(v.check_id)}</code>" for v in run if v.verdict != "passed")
        lines.append(f'<tr><td class="n">{_civil(run[-1].at)}</td><td>{_counts(run, language)}</td><td>{bad}</td></tr>')
    heads = "".join(f"<th>{words[k]}</th>" for k in ("at", "verdict", "not_passed"))
    return f"<table>\n<tr>{heads}</tr>\n" + "\n".join(lines) + "\n</table>"


def _counts(verdicts: Sequence[Verdict], language: Language) -> str:
    words = _WORDS[language]
    parts = []
    for verdict in ("raised", "failed", "passed"):
        n = sum(v.verdict == verdict for v in verdicts)
        if n:
            parts.append(f'<span class="{verdict}">{words[verdict]} {n}</span>')
    return " · ".join(parts)


def _civil(at: datetime) -> str:
    return at.astimezone(CIVIL_ZONE).strftime("%Y-%m-%d %H:%M")
