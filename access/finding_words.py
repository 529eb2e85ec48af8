"""What checks and conforming found, in the reader's language: reason codes, and the sentences that stand beside them.

Findings are stored once, in English. Their sentences are few and made of fixed parts, so that they are turned into
Chinese here; names of columns, files and units stay as they are.
"""

from __future__ import annotations

import re
from functools import lru_cache

from core.reasons import REASONS

# A part of a sentence as the product writes it, and the same in Chinese. The longer stand first.
_PARTS: tuple[tuple[str, str], ...] = (
    (r"a value: rows cannot be told apart without it", "须有值，否则行与行无法区分"),
    (r"a value; the sheet could not work it out", "须有值，表格公式未能算出"),
    (r"a value; (.+) say fault", r"须有值；\1 表示故障"),
    (r"all digits: the sheet shortened it; export it as text", "须为完整数字：表格截短了它，请按文本导出"),
    (r"a whole geometry of numbers, its rings closed", "须为完整图形：坐标均为数字，环线闭合"),
    (r"a row that the payload has not said before", "本次报送中不重复的行"),
    (r"text that can be seen", "可见字符"),
    (r"a code of the current list", "现行区划代码"),
    (r"the code of its successor", "接替它的现行代码"),
    (r"a right check digit", "正确的校验位"),
    (r"longitude before latitude", "经度在前、纬度在后"),
    (r"sent when it happened", "随发生随报送"),
    (r"sent within two days", "两天之内报送"),
    (r"a time before it was (?:sent|received)", "不晚于报送的时间"),
    (r"times in (\S+)", r"\1 时区的时间"),
    (r"places in (\S+)", r"\1 坐标"),
    (r"text matching (\S+)", r"符合 \1 的文本"),
    (r"text in (\S+)", r"\1 编码的文本"),
    (r"every line in (\S+)", r"每行均为 \1 编码"),
    (r"one of ", "以下之一："),
    (r"a date like (\S+)", r"日期，形如 \1"),
    (r"a timestamp like (\S+)", r"时间，形如 \1"),
    (r"a whole number", "整数"),
    (r"a number", "数字"),
    (r"(\d+) agreed columns", r"约定的 \1 列"),
    (r"(\d+) fields", r"\1 个字段"),
    (r"last line has (\d+) of", r"末行只有 \1 个字段，应有"),
    (r"(\d+) of (\d+) known objects moved by (\S+ m)\b", r"\2 个已知对象中有 \1 个移动了 \3"),
    (r"(\d+) of (\d+) rows off by (\S+) h\b", r"\2 行中有 \1 行相差 \3 小时"),
    (r"(\d+) of (\d+) bytes", r"\2 字节中只有 \1 字节"),
    (r"(\d+) bytes that are not JSON from byte (\d+) on", r"\1 字节，自第 \2 字节起不是 JSON"),
    (r"(\d+) bytes", r"\1 字节"),
    (r"(\d+) lines, first at line (\d+)", r"\1 行，首见于第 \2 行"),
    (r"headers? only", "只有表头"),
    (r"no line with content", "没有内容"),
    (r"no features", "没有要素"),
    (r"no list of features", "没有要素列表"),
    (r"not UTF-8: unexpected end of data", "不是完整的 UTF-8：数据中断"),
    (r"not a GeoPackage", "不是 GeoPackage 文件"),
    (r"(.+) found, expected (.+)", r"收到 \1，应为 \2"),
    (r"at least (\S+)", r"不小于 \1"),
    (r"at most (\S+)", r"不大于 \1"),
    (r"(-?[\d.e+]+) to (-?[\d.e+]+)", r"\1 至 \2"),
    (r"; as (\S+) it would fit", r"；若按 \1 则相符"),
    (r"\bpercent\b", "%"),
    (r"(?<=\d) rows\b", " 行"),
    (r"(?<=\d) h\b", " 小时"),
    (r"(?<=\d) sd\b", " 个标准差"),
    (r"(?<=\d) x(?!\w)", " 倍"),
    (r"(?<=%\w) or (?=%)", " 或 "),
    (r" refused: ", " 被拒收："),
    (r"lost column: ", "缺少列："),
    (r"new column: ", "多出列："),
    (r" in ([a-z_]+)(?=:|;|$)", r"（\1）"),
    (
        r": (?:\w+Error: )?.*Connection refused; expected an answer within (\d+) s; check that the service runs",
        r"：连接被拒绝；应在 \1 秒内应答，请检查部门服务是否在运行",
    ),
    (
        r": (?:\w+Error: )?.*Connection refused; expected an answer at once, .*; check that the service runs",
        r"：连接被拒绝；同一主机刚刚也未应答其他数据源，请检查部门服务是否在运行",
    ),
    (
        r"; expected a database that gives an answer (?:within (\S+) s|at once, .*);"
        r" check that it runs, and its address and account",
        r"；数据库未应答，请检查其是否在运行、地址和账号是否正确",
    ),
)
_COMPILED = tuple((re.compile(pattern), zh) for pattern, zh in _PARTS)
_CODE = re.compile(r"(?<=× )[a-z_]+")


def reason(code: str) -> tuple[str, str]:
    """A reason code in Chinese and in English; the code itself where the table does not have it."""
    known = REASONS.get(code)
    return (code, code) if known is None else known[1:]


@lru_cache(maxsize=4096)
def sentence(text: str) -> tuple[str, str]:
    """What was found, or what was expected, in Chinese and in English; codes of reasons become their words."""
    zh = _CODE.sub(lambda found: reason(found[0])[0], text)
    en = _CODE.sub(lambda found: reason(found[0])[1], text)
    for pattern, words in _COMPILED:
        zh = pattern.sub(words, zh)
    return zh, en
