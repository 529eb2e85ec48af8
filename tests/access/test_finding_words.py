"""Findings in the reader's language: every code has words, and no English is left in what stands in Chinese."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from access.finding_words import reason, sentence
from core.reasons import REASONS

INGEST = Path(__file__).resolve().parents[2] / "ingest"
HAN = re.compile(r"[\u4e00-\u9fff]")


def _codes() -> set[str]:
    """Reason codes that conforming and parsing write: the first argument of what makes a note or a fault of a file."""
    makers = {"Note", "FileFault", "lose", "lose_group", "flag", "correct"}
    found = set()
    for path in INGEST.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                first = node.args[0]
                if name in makers and isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    return found


@pytest.mark.case("pages.24")
def test_every_reason_code_has_words_in_both_languages() -> None:
    codes = _codes()
    assert len(codes) > 15
    assert codes <= set(REASONS)
    for code in REASONS:
        zh, en = reason(code)
        assert HAN.search(zh), code
        assert not HAN.search(en), code
    assert reason("a_code_of_tomorrow") == ("a_code_of_tomorrow", "a_code_of_tomorrow")


@pytest.mark.case("pages.24")
@pytest.mark.parametrize(
    ("text", "zh"),
    [
        ("a right check digit", "正确的校验位"),
        ("-10 to 5000 m", "-10 至 5000 m"),
        ("10 to 10000 kPa; as MPa it would fit", "10 至 10000 kPa；若按 MPa 则相符"),
        ("0 to 1e+06 t", "0 至 1e+06 t"),
        ("a date like %Y-%m-%d or %Y%m%d", "日期，形如 %Y-%m-%d 或 %Y%m%d"),
        ("one of 给水, 排水", "以下之一：给水, 排水"),
        ("text matching ^[0-9]{2,7}-[0-9]$", "符合 ^[0-9]{2,7}-[0-9]$ 的文本"),
        ("61 lines, first at line 8", "61 行，首见于第 8 行"),
        ("745472 of 1863680 bytes", "1863680 字节中只有 745472 字节"),
        ("last line has 2 of 9 fields", "末行只有 2 个字段，应有 9 个字段"),
        ("水位高程(m) found, expected 库水位(m)", "收到 水位高程(m)，应为 库水位(m)"),
        ("Q42059297: 18 of 18 rows off by -8.0 h", "Q42059297: 18 行中有 18 行相差 -8.0 小时"),
        ("a.csv refused: 1 × empty_file", "a.csv 被拒收：1 × 空文件或只有表头"),
        ("1 … 50000 rows", "1 … 50000 行"),
        ("≤ 0.25 h", "≤ 0.25 小时"),
        ("≤ 6 sd", "≤ 6 个标准差"),
        ("≤ 1.2 x", "≤ 1.2 倍"),
        ("2026-11-07 10:57:32", "2026-11-07 10:57:32"),
        ("91420502FCLW3DCQG3", "91420502FCLW3DCQG3"),
    ],
)
def test_what_was_found_and_expected_reads_in_chinese(text: str, zh: str) -> None:
    assert sentence(text)[0] == zh


def test_in_english_only_codes_become_words() -> None:
    text = "a.csv refused: 16 × undeclared_datum: 16 of 16 known objects moved by 598 m"
    assert sentence(text)[1] == text.replace("undeclared_datum", reason("undeclared_datum")[1])
