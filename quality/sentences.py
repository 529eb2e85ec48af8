"""Say a verdict in plain Chinese and English: what was found, what was agreed, what to do next. Pure."""

from __future__ import annotations

from core.contract import Contract
from quality.checks import DRIFT_DAYS, DRIFT_DAYS_NEEDED, Check
from quality.verdict import Measured, Result

# Per kind: what was found (zh, en), what to do when it failed (zh, en).
_FOUND: dict[str, tuple[str, str]] = {
    "not_null": ("{n} 行缺少“{zh}”，该列必填", "{n} rows lack {name}, which is required"),
    "range": ("{n} 行“{zh}”超出 {limits}", "{n} rows have {name} outside {limits}"),
    "allowed": ("{n} 行“{zh}”不在约定取值 {limits} 之内", "{n} rows have {name} outside the agreed values {limits}"),
    "pattern": ("{n} 行“{zh}”不符合格式 {limits}", "{n} rows have {name} that breaks the pattern {limits}"),
    "unique_key": ("{n} 行的主键（{limits}）重复入湖", "{n} rows stand twice by their key ({limits})"),
    "volume": ("收到 {n} 行，约定 {expected}", "{n} rows came, agreed are {expected}"),
    "freshness": ("最新一条距今 {n} 小时，约定 {expected}", "the newest event is {n} h old, agreed are {expected}"),
    "refused": (
        "最近一次报送有 {n} % 的行被拒收，约定 {expected}",
        "{n} % of the last delivery was refused, agreed are {expected}",
    ),
    "distribution_drift": (
        f"“{{zh}}”的均值偏离前 {DRIFT_DAYS} 天 {{n}} 个标准差，约定 {{expected}}",
        f"the mean of {{name}} is {{n}} sd from the {DRIFT_DAYS} days before, agreed are {{expected}}",
    ),
    "reference": (
        "{n} % 的行其“{zh}”在 {feed} 中查不到，约定 {expected}",
        "{n} % of rows have a {name} that {feed} does not know, agreed are {expected}",
    ),
    "sum": (
        "单日“{zh}”去重数最多为 {feed} 登记数的 {n} 倍，约定 {expected}",
        "distinct {name} of one day reach {n} times the total in {feed}, agreed are {expected}",
    ),
}
_ROW_ADVICE = (
    "请在 ingest/conform 查明为何放行，修正后重放本批",
    "find out why conform let them pass, then replay the batch",
)
_ADVICE: dict[str, tuple[str, str]] = {
    "not_null": _ROW_ADVICE,
    "range": _ROW_ADVICE,
    "allowed": _ROW_ADVICE,
    "pattern": _ROW_ADVICE,
    "unique_key": (
        "请核对该部门是否重复报送，或同一批内同一主键取值不一",
        "see whether the department sent the same rows twice, or one key with two contents in one batch",
    ),
    "volume": (
        "请联系{steward}核实数据是否缺失或多发",
        "ask {steward} whether rows are missing or were sent too often",
    ),
    "refused": (
        "请按隔离区中的原因联系{steward}更正报送，或修订合同后重放",
        "see the reasons in quarantine: have {steward} correct the delivery, or amend the contract and replay",
    ),
    "freshness": ("请联系{owner}检查设备与接口", "ask {owner} to look at the devices and the interface"),
    "distribution_drift": (
        "请联系{owner}核实单位、设备更换或真实变化",
        "ask {owner} about units, changed devices, or a real change",
    ),
    "reference": (
        "请先让{owner}补报 {feed}，下次运行会自动复核",
        "have {owner} complete {feed}; the next run checks again by itself",
    ),
    "sum": (
        "请让{owner}核对 {feed} 的登记数与现场记录",
        "have {owner} compare the totals in {feed} with the records",
    ),
}
# Where there was nothing to compare, or the number alone would mislead.
_NOTES: dict[str, tuple[str, str]] = {
    "never": ("尚无任何数据到达", "no event has ever arrived"),
    "not_yet": (
        "尚无数据到达，未逾约定时限",
        "no event yet; the agreed time is not over",
    ),
    "nothing_landed": ("最近一份报送全部被拒收", "nothing of the newest delivery landed"),
    "silent": ("已视为中断", "the feed counts as silent"),
    "no_values": ("本批该列无值，未作判断", "this batch has no value in the column; nothing was judged"),
    "no_history": (
        f"可比历史不足 {DRIFT_DAYS_NEEDED} 天，未作判断",
        f"less than {DRIFT_DAYS_NEEDED} days of comparable history; nothing was judged",
    ),
    "no_register": ("{feed} 尚无数据", "{feed} has no rows yet"),
}


def sentences(
    check: Check, contract: Contract, verdict: Result, measured: Measured | None, fault: str = ""
) -> tuple[str, str]:
    """One Chinese and one English sentence about a verdict; `fault` is what a raised check died of."""
    return tuple(_sentence(check, contract, verdict, measured, fault, i) for i in (0, 1))  # type: ignore[return-value]


def _sentence(
    check: Check, contract: Contract, verdict: Result, measured: Measured | None, fault: str, language: int
) -> str:
    stop, comma = ("。", "；") if language == 0 else (".", "; ")
    words = _words(check, contract, measured)
    if verdict == "raised":
        return (
            f"检查未能完成，属系统故障而非数据问题：{fault}。请查看日志，排除后重新运行。",
            f"The check itself failed, which is our fault and says nothing about the data: {fault}. "
            "See the log, mend it and run again.",
        )[language]
    parts = []
    if measured is not None and measured.observed is not None:
        parts.append(_FOUND[check.kind][language].format(**words))
    if measured is not None and measured.note:
        parts.append(_NOTES[measured.note][language].format(**words))
    if verdict == "failed":
        parts.append(_ADVICE[check.kind][language].format(**words))
    text = comma.join(parts)
    return text[:1].upper() + text[1:] + stop


def _words(check: Check, contract: Contract, measured: Measured | None) -> dict[str, str]:
    column = next((c for c in contract.columns if c.landed_name == check.column), None)
    observed = measured.observed if measured is not None else None
    return {
        "n": "" if observed is None else f"{observed:.0f}" if check.unit == "rows" else f"{observed:.4g}",
        "zh": column.label_zh if column else "",
        "name": column.name if column else "",
        "limits": _limits(check, contract),
        "expected": check.expected,
        "feed": str(check.arguments.get("feed", "")),
        "owner": contract.owner,
        "steward": contract.steward,
    }


def _limits(check: Check, contract: Contract) -> str:
    arguments = check.arguments
    match check.kind:
        case "range":
            low, high = (("" if v is None else f"{v:g}") for v in (arguments["minimum"], arguments["maximum"]))
            unit = arguments["unit"]
            return f"{low}…{high}{f' {unit}' if unit and unit != '1' else ''}"
        case "allowed":
            return ", ".join(arguments["values"])
        case "pattern":
            return str(arguments["pattern"])
        case "unique_key":
            return ", ".join(arguments["key"])
    return check.expected
