"""Check the feeds that have something new, and write what was found.

A feed with nothing new is judged on freshness and on what was refused, by plain comparison. Batches that are held are
judged again when anything that their verdicts stood on has changed (the register they refer to has come, the contract
is another); when they pass now, they can be admitted, otherwise nothing is said of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa

from core.contract import Contract
from core.settings import Home
from quality.checks import QUIET_KINDS, STEADY_KINDS, Check, checks_of
from quality.engine import EngineAbsentError, ExpectationEngine
from quality.judging import Finding, judge_ledger, judge_rows
from quality.scope import File, Scope, held_scopes, known_files, waiting_scope, write_basis
from quality.sentences import sentences
from quality.verdict import Result, Verdict, write_verdicts

log = logging.getLogger(__name__)


class Checker:
    """Checks feeds of one run. The engine starts when the first feed needs it and serves all of them."""

    def __init__(
        self, home: Home, engine: sa.Engine, contracts: Mapping[str, Contract], run_id: str, now: datetime
    ) -> None:
        self._home = home
        self._engine = engine
        self._contracts = contracts
        self._run_id = run_id
        self._now = now
        self._expectations: ExpectationEngine | None = None

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._expectations is not None:
            self._expectations.close()

    def check(self, contract: Contract) -> list[Verdict]:
        """Judge one feed and write its verdicts in one transaction."""
        try:
            verdicts = self._checked(contract)
        except EngineAbsentError:
            raise
        except Exception as error:
            log.exception("%s: checks could not run", contract.id)
            verdicts = [self._lost(contract, error)]
        with self._engine.begin() as connection:
            write_verdicts(connection, verdicts)
        return verdicts

    def _checked(self, contract: Contract) -> list[Verdict]:
        checks = checks_of(contract)
        with self._engine.connect() as connection:
            waiting = waiting_scope(connection, self._home.landing, contract.id)
            held = held_scopes(connection, self._home.landing, contract.id)
            references = self._references(connection, checks)
        verdicts = self._verdicts(contract, checks, waiting, references)
        if waiting.batch_ids:
            self._note(verdicts, waiting, waiting.basis(checks, references))
        good = () if any(v.blocks for v in verdicts) else waiting.new
        for scope in held:
            again = self._again(contract, checks, scope.after(good), references)
            good += scope.new if again and not any(v.blocks for v in again) else ()
            verdicts += again
        return verdicts

    def _lost(self, contract: Contract, error: Exception) -> Verdict:
        """One raised verdict for all checks of a feed, so that its batches wait and the other feeds go on."""
        with self._engine.connect() as connection:
            waiting = waiting_scope(connection, self._home.landing, contract.id)
        check = Check("checks", contract.id, "checks", "error")
        return self._verdict(contract, check, Finding(holds=False, fault=f"{type(error).__name__}: {error}"), waiting)

    def _references(self, connection: sa.Connection, checks: Sequence[Check]) -> dict[str, tuple[File, ...]]:
        feeds = {str(c.arguments["feed"]) for c in checks if "feed" in c.arguments}
        return {f: known_files(connection, self._home.landing, f, self._run_id) for f in sorted(feeds)}

    def _again(
        self, contract: Contract, checks: Sequence[Check], scope: Scope, references: Mapping[str, Sequence[File]]
    ) -> list[Verdict]:
        """Judge held batches; where one of them still may not pass, they stay as they are and nothing is said again."""
        basis = scope.basis(checks, references)
        if basis == scope.judged_on:
            return []
        verdicts = self._verdicts(contract, [c for c in checks if c.kind not in STEADY_KINDS], scope, references)
        self._note(verdicts, scope, basis)
        return [] if any(v.blocks for v in verdicts) else verdicts

    def _note(self, verdicts: Sequence[Verdict], scope: Scope, basis: str) -> None:
        """What may not pass need not be judged again on the same; a fault of ours is tried again.

        What may pass leaves no basis: until somebody has admitted it, each run judges it.
        """
        stays = any(v.blocks for v in verdicts) and all(v.verdict != "raised" for v in verdicts)
        with self._engine.begin() as connection:
            write_basis(connection, scope, basis if stays else None)

    def _verdicts(
        self, contract: Contract, checks: Sequence[Check], scope: Scope, references: Mapping[str, Sequence[File]]
    ) -> list[Verdict]:
        if scope.delivered.refused_pct is None:
            checks = [c for c in checks if c.kind != "refused"]
        if scope.new:
            found = judge_rows(self._running(), contract, checks, scope, references, self._now)
        else:
            kinds = QUIET_KINDS if scope.batch_ids else STEADY_KINDS
            checks = [c for c in checks if c.kind in kinds]
            found = judge_ledger(checks, scope, self._now)
        return [self._verdict(contract, c, found[c.id], scope) for c in checks]

    def _running(self) -> ExpectationEngine:
        """The engine, with a folder of its own to spill to: DuckDB makes it when it must, and takes it away again."""
        if self._expectations is None:
            self._home.build.mkdir(parents=True, exist_ok=True)
            self._expectations = ExpectationEngine(self._home.build / f"spill-{uuid4().hex}")
        return self._expectations

    def _verdict(self, contract: Contract, check: Check, finding: Finding, scope: Scope) -> Verdict:
        verdict: Result = "raised" if finding.fault else "passed" if finding.holds else "failed"
        fault = " ".join(finding.fault.split())[:300]
        measured = finding.measured
        zh, en = sentences(check, contract, verdict, measured, fault)
        if verdict != "passed":
            log.warning("%s: %s %s: %s", contract.id, check.id, verdict, en)
        return Verdict(
            self._run_id,
            contract.id,
            check.id,
            check.kind,
            check.severity,
            verdict,
            measured.observed if measured else None,
            check.expected,
            zh,
            en,
            measured.rows if measured else 0,
            self._now,
            scope.batch_ids,
            measured.samples if measured else (),
        )


def check_feed(
    home: Home,
    engine: sa.Engine,
    contract: Contract,
    contracts: Mapping[str, Contract],
    run_id: str,
    now: datetime,
) -> list[Verdict]:
    """Check what one feed has landed; writes and returns its verdicts.

    Raises EngineAbsentError when something is new and Great Expectations is not installed.
    """
    with Checker(home, engine, contracts, run_id, now) as checker:
        return checker.check(contract)


def check_feeds(
    home: Home,
    engine: sa.Engine,
    contracts: Mapping[str, Contract],
    feed_ids: Iterable[str],
    run_id: str,
    now: datetime,
) -> dict[str, list[Verdict]]:
    """Check several feeds, a register before the feeds that refer to it: verdicts by feed id.

    One engine serves all. Raises EngineAbsentError as `check_feed` does.
    """
    with Checker(home, engine, contracts, run_id, now) as checker:
        return {f: checker.check(contracts[f]) for f in referenced_first(contracts, feed_ids)}


def referenced_first(contracts: Mapping[str, Contract], feed_ids: Iterable[str]) -> list[str]:
    """The feeds in an order in which each comes after those it refers to; circles are broken at the later id."""
    wanted, ordered = sorted(set(feed_ids)), list[str]()

    def visit(feed_id: str, above: frozenset[str]) -> None:
        if feed_id in ordered or feed_id in above:
            return
        for rule in contracts[feed_id].rules:
            other = str(rule.arguments.get("feed", ""))
            if other in wanted:
                visit(other, above | {feed_id})
        ordered.append(feed_id)

    for feed_id in wanted:
        visit(feed_id, frozenset())
    return ordered
