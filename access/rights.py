"""Who reads: a role and the branch of the area tree that the person belongs to.

Every query takes a Reader, so that finer rights fit later without a change of signature. Held today: the branch on
everything that has an area, and the roles that may reveal personal data. Not held today: rights by department.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.area import branch_of, is_within
from core.errors import ExplainedError

REVEALING_ROLES = frozenset({"duty_officer", "administrator"})


class NotAllowedError(ExplainedError, PermissionError):
    """A reader asked for what the role or branch does not have; says what is missing."""


class SecondNameError(NotAllowedError):
    """Whoever asked for something cannot be the second person who approves it."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A person or process that reads. `area_code` None is the whole city."""

    name: str = "anonymous"
    role: str = "viewer"
    area_code: str | None = None

    @property
    def area_pattern(self) -> str:
        """The LIKE pattern of the area codes of the branch; everything when the reader is city-wide.

        >>> Reader(area_code="420500").area_pattern, Reader(area_code="420502").area_pattern
        ('4205%', '420502%')
        """
        return f"{branch_of(self.area_code or '')}%"

    def may_see(self, area_code: str | None) -> bool:
        """Whether an area lies in the branch; nothing that has no area does, unless the reader is city-wide.

        >>> Reader(area_code="420502").may_see("420502003"), Reader(area_code="420502").may_see(None)
        (True, False)
        """
        return self.area_code is None or (area_code is not None and is_within(area_code, self.area_code))


CITY_WIDE = Reader()


def require_role(reader: Reader, roles: frozenset[str], act: str) -> None:
    """Raise NotAllowedError unless the reader has one of the roles."""
    if reader.role not in roles:
        raise NotAllowedError(f"role {reader.role!r} may not {act}; needs one of {', '.join(sorted(roles))}")
