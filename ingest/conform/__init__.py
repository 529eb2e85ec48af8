"""Text table → rows in contract shape, or a reason why not. Pure: no file, no socket, no clock.

Not here: reading bytes (`ingest.parse`), rules over sets of rows (`quality`), storing (`ingest.land.accept`).
"""

from __future__ import annotations

from ingest.conform.clocks import DeviceClocks
from ingest.conform.context import ConformContext
from ingest.conform.rows import Conformed, conform

__all__ = ["ConformContext", "Conformed", "DeviceClocks", "conform"]
