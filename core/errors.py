"""Errors that a person can act on without a trace of calls."""

from __future__ import annotations


class ExplainedError(Exception):
    """An error whose text says what was found, what was expected and what to do; everything else is a defect."""


class DeclarationError(ExplainedError, ValueError):
    """A file that cannot be used: says file, line, what was found, what was expected and what to do next."""
