"""Every setting that code or rule tables read is documented, and docs/live.md names none that nobody reads."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from ingest.devices.limits import GatewayLimits

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("core", "ingest", "quality", "orchestration", "alerting", "access", "dashboards", "city", "cli")
# Ends with `_` where code puts a department, a feed or a name of a list behind it.
NAME = re.compile(r"\bCITYRISK_[A-Z0-9_]+")
LIMITS = {f"CITYRISK_GATEWAY_{one.name.upper()}" for one in fields(GatewayLimits)}


def read_by_code() -> set[str]:
    """Settings of the product: in its code, its rule tables, and the profile of the build."""
    places = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    places += [*(ROOT / "dbt_project/seeds").rglob("*.csv"), ROOT / "dbt_project/profiles.yml"]
    found = {name for path in places for name in NAME.findall(path.read_text("utf-8"))}
    assert len(found) >= 50
    return found | LIMITS


def documented(*documents: Path) -> set[str]:
    """Settings that documents name; `CITYRISK_X_<DEPARTMENT>` counts as `CITYRISK_X_`."""
    return {name for path in documents for name in NAME.findall(path.read_text("utf-8"))}


def test_every_setting_is_documented() -> None:
    known = documented(*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md")
    families = {name for name in read_by_code() if name.endswith("_")}
    missing = {name for name in read_by_code() - families if name not in known}
    missing |= {family for family in families if not any(name.startswith(family) for name in known)}
    assert not missing, f"read by code, in no document; add them to docs/live.md: {sorted(missing)}"


def test_live_names_no_setting_that_nobody_reads() -> None:
    said = documented(ROOT / "docs/live.md")
    read = read_by_code()
    # An example may fill in a department: CITYRISK_NATS_PASSWORD_URBAN.
    of_departments = ("CITYRISK_NATS_PASSWORD_", "CITYRISK_PUSH_TOKEN_")
    strange = {name for name in said - read if not name.startswith(of_departments)}
    assert not strange, f"in docs/live.md, read by nobody: {sorted(strange)}"
