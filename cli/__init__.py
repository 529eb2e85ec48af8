"""The command line: `cityrisk VERB`. Exit 0 done, 1 failed, 2 wrong use; `--json` where data is printed.

Verbs only parse, call and print; nothing is decided here. A verb is imported when it is called (`cli.verbs`), and what
only some of its ways need is imported on these ways, so that looking costs little and a core install runs every verb
that it can.
"""

from __future__ import annotations

from cli.verbs import app

__all__ = ["app"]
