"""Editing one cell of a rule table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rule_parts import set_cell


@pytest.fixture
def edit() -> Callable[[Path, str, str, str, str], None]:
    """`edit(folder, table, key, column, value)`: change one cell of the row whose first column is `key`."""
    return set_cell
