"""Days on the command line of replay are Beijing days, and instants of the product are UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cli.shell import instant_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24", datetime(2026, 11, 23, 16, tzinfo=UTC)),
        ("2026-11-24T08:00", datetime(2026, 11, 24, 0, tzinfo=UTC)),
        ("2026-11-24T08:00+08:00", datetime(2026, 11, 24, 0, tzinfo=UTC)),
        ("2026-11-24T08:00Z", datetime(2026, 11, 24, 8, tzinfo=UTC)),
    ],
)
def test_a_day_or_instant_becomes_utc(text: str, expected: datetime) -> None:
    found = instant_of(text)
    assert found == expected
    # Landed files are compared with it by their UTC statistics; another zone of the same instant is refused there.
    assert found.tzinfo is UTC
    assert found.utcoffset() == timedelta(0)
