"""Nothing is installed whose content was not agreed on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.case("security.held.H10")
@pytest.mark.parametrize("lock", ["requirements.lock", "deploy/uv.lock.txt"])
def test_every_locked_package_has_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    packages = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert packages
    for line in packages:
        assert re.match(r"[\w.\[\]-]+==\S+", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", line), line


@pytest.mark.case("security.held.H10")
def test_setup_installs_from_a_lock_only_with_hashes() -> None:
    script = (ROOT / "deploy" / "setup.sh").read_text(encoding="utf-8").replace("\\\n", " ")
    installs = [line for line in script.splitlines() if re.search(r"\s-r\s", line)]
    assert installs
    for line in installs:
        assert "--require-hashes" in line, line
