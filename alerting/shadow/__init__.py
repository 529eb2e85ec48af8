"""Proposed rules that fold the same readings as those in force and notify nobody."""
