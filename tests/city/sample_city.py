"""The one small city that the tests of this folder share."""

from datetime import UTC, datetime

AS_OF = datetime(2026, 11, 21, 16, tzinfo=UTC)
DAYS, SEED, SCALE = 7, 4711, 0.12
