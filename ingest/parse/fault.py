"""The one way a payload can be lost as a whole."""

from __future__ import annotations


class FileFault(Exception):
    """A payload that cannot be read as its contract says: reason code, what was found, byte or line offset."""

    def __init__(self, reason: str, detail: str, offset: int | None = None) -> None:
        place = "" if offset is None else f" at {offset}"
        super().__init__(f"{reason}{place}: {detail}")
        self.reason = reason
        self.detail = detail
        self.offset = offset

    def __reduce__(self) -> tuple[type[FileFault], tuple[str, str, int | None]]:
        """Comes whole from another process."""
        return FileFault, (self.reason, self.detail, self.offset)
