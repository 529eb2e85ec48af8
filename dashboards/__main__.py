"""`python -m dashboards PORT` serves the pages of CITYRISK_HOME: Streamlit's application behind a login of ours.

Streamlit alone sets no cookie that scripts cannot read, and lets anybody hold as many connections as they like.
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import streamlit as st
from streamlit.web.bootstrap import load_config_options

from access.serving import open_home
from access.webserver import web_server
from dashboards.guarded_pages import GuardedPages


def main() -> None:
    """Serve until a signal asks to stop."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    home, port = open_home(os.environ), int(sys.argv[1])
    pages = st.App(Path(__file__).with_name("app.py"))
    load_config_options({"server.port": port})  # the rest stands beside the script, in .streamlit/config.toml
    web_server(GuardedPages(pages, home, port, lambda: datetime.now(UTC)), home, port, lifespan="on").run()


if __name__ == "__main__":
    main()
