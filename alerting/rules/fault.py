"""The one error of rule tables."""

from __future__ import annotations


class RuleError(ValueError):
    """A rule table that cannot be used: names file, row and column, what was found and what was expected."""
