"""`python -m core.runtime.attend HOME`: wait until the user interrupts, then stop every process of that home.

A program that has started a home becomes this one (`attend`), and so gives back all memory that only its work needed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

_INTERRUPT = {signal.SIGINT}


def attend(home: Path) -> NoReturn:
    """Become the program that waits, in the same terminal and with the same process id.

    An interrupt on the way is not lost: it stays blocked until the other side asks for it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)
    os.execv(sys.executable, [sys.executable, "-m", "core.runtime.attend", str(home)])


def main() -> None:
    """Wait for the interrupt; what stopping needs is imported then."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPT)
    signal.sigwait(_INTERRUPT)

    from core.runtime.supervisor import stop
    from core.settings import open_home

    stop(open_home(os.environ, Path(sys.argv[1])))


if __name__ == "__main__":
    main()
