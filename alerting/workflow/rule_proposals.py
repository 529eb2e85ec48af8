"""Rule tables that wait for a second name; until somebody answers they run in shadow."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from alerting.rules.generations import FOLDER, NAME, PARTIAL, digest, files_in, generations
from alerting.rules.load import load_rules
from alerting.rules.versions import changes_to, live_versions, make_live
from alerting.workflow import requests
from alerting.workflow.requests import Kind, Request

WAITING = "rules_waiting"


class ChangedMeanwhile(ValueError):
    """The tables are not those that were proposed any more."""


def waiting_folder(root: Path, generation: str) -> Path:
    """Where proposed tables stand."""
    return root / WAITING / generation


def waiting_rules(connection: sa.Connection, root: Path, now: datetime) -> tuple[Request, Path] | None:
    """The proposal that runs in shadow, with its tables; None when nothing waits."""
    for request in requests.waiting(connection, now, Kind.RULES):
        folder = waiting_folder(root, request.subject["generation"])
        if folder.is_dir():
            return request, folder
    return None


def enact(connection: sa.Connection, root: Path, request: Request, approver: str, now: datetime) -> str:
    """Make proposed tables the newest generation, in the transaction that approves them; gives its name.

    A crash between the two leaves a generation that nobody approved, which alerting does not take up. Raises
    ChangedMeanwhile, RuleError.
    """
    folder = waiting_folder(root, request.subject["generation"])
    if not folder.is_dir() or digest(files_in(folder)) != request.subject["digest"]:
        raise ChangedMeanwhile(
            f"the tables of request {request.request_id} are gone or were changed; publish them again"
        )
    target = root / FOLDER / now.astimezone(UTC).strftime(NAME)
    known = generations(root)
    if known and target.name < known[-1].name:
        raise ChangedMeanwhile(f"generation {known[-1].name} is newer than now, {target.name}; set the clock right")
    ruleset = load_rules(folder, target.name)
    changes = changes_to(live_versions(connection), ruleset)
    make_live(connection, ruleset, folder, changes, request.actor, approver, now)
    if not target.is_dir():
        partial = target.with_name(f"{PARTIAL}-{target.name}-{os.getpid()}")
        shutil.copytree(folder, partial)
        os.rename(partial, target)
    return target.name
