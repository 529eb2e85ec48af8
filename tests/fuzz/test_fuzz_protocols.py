"""A short run of the coverage-guided fuzzer for every protocol; a long one is a command of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ingest.protocols import PROTOCOLS

FUZZER = Path(__file__).with_name("fuzz_protocols.py")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_codec_raises_nothing_but_its_own_error(protocol: str) -> None:
    pytest.importorskip("atheris", reason="the fuzzer has wheels for Linux and Python 3.11 only")
    run = subprocess.run(
        [sys.executable, str(FUZZER), protocol, "--seconds", "3"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    assert "Done " in run.stderr, "the fuzzer did not run to its end"
