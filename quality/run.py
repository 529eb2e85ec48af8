"""Check the feeds that have something new, and write what was found.

A feed with nothing new is judged on freshness alone, by plain comparison: starting the engine would cost seconds to
subtract two times. Batches that are held are measured again on every run; when they would pass now (the register they
refer to has come, the contract has changed), the engine judges them in full and they can be admitted.

Not here: what becomes of the batches (`quality.admit`).
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
from quality.engine import EngineAbsentError, Judge, judge
from quality.measure import measure
from quality.measuring import Measuring
from quality.probe import known_bad
from quality.scope import File, Scope, held_scopes, known_files, waiting_scope
from quality.sentences import sentences
from quality.verdict import Measured, Result, Verdict, write_verdicts

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
        self._judge: Judge | None = None

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._judge is not None:
            self._judge.close()

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
        return self._verdict(contract, check, error, f"{type(error).__name__}: {error}", waiting)

    def _references(self, connection: sa.Connection, checks: Sequence[Check]) -> dict[str, tuple[File, ...]]:
        feeds = {str(c.arguments["feed"]) for c in checks if "feed" in c.arguments}
        return {f: known_files(connection, self._home.landing, f, self._run_id) for f in sorted(feeds)}

    def _again(
        self, contract: Contract, checks: Sequence[Check], scope: Scope, references: Mapping[str, Sequence[File]]
    ) -> list[Verdict]:
        """Judge held batches, but only where a mere look says that they would pass; otherwise they stay as they are."""
        blocking = [c for c in checks if c.severity == "error" and c.kind not in STEADY_KINDS]
        with self._measuring(scope, references) as measuring:
            found = measure(blocking, measuring, self._now)
        if any(isinstance(m, Exception) or not _holds(c, m) for c in blocking if (m := found.get(c.id)) is not None):
            return []
        return self._verdicts(contract, [c for c in checks if c.kind not in STEADY_KINDS], scope, references)

    def _verdicts(
        self, contract: Contract, checks: Sequence[Check], scope: Scope, references: Mapping[str, Sequence[File]]
    ) -> list[Verdict]:
        if scope.delivered.refused_pct is None:
            checks = [c for c in checks if c.kind != "refused"]
        if not scope.batch_ids:
            checks = [c for c in checks if c.kind in STEADY_KINDS]
        elif not scope.new:
            checks = [c for c in checks if c.kind in QUIET_KINDS]
        with self._measuring(scope, references) as measuring:
            found = measure(checks, measuring, self._now)
            outcomes = self._plain(checks, found)
            if scope.new:
                outcomes |= self._judged(contract, checks, found, measuring)
        return [self._verdict(contract, c, found[c.id], outcomes[c.id], scope) for c in checks]

    def _measuring(self, scope: Scope, references: Mapping[str, Sequence[File]]) -> Measuring:
        """An own folder to spill to: DuckDB makes it when it must, and takes it away again."""
        self._home.build.mkdir(parents=True, exist_ok=True)
        return Measuring(scope, references, self._home.build / f"spill-{uuid4().hex}")

    def _plain(self, checks: Sequence[Check], found: Mapping[str, Measured | Exception]) -> dict[str, bool | str]:
        """What needs no engine: crashes, and comparisons where there is no number or nothing new."""
        return {
            c.id: f"{type(m).__name__}: {m}" if isinstance(m, Exception) else _holds(c, m)
            for c in checks
            for m in (found[c.id],)
        }

    def _judged(
        self,
        contract: Contract,
        checks: Sequence[Check],
        found: Mapping[str, Measured | Exception],
        measuring: Measuring,
    ) -> dict[str, bool | str]:
        """The engine's word on every check that has a number, and on the same check over known-bad data."""
        values = {i: m.observed for i, m in found.items() if isinstance(m, Measured) and m.observed is not None}
        numbered = [c for c in checks if c.id in values]
        probes = known_bad(contract, numbered, measuring)
        blind: dict[str, bool | str] = {
            i: f"on the known-bad row: {type(p).__name__}: {p}" for i, p in probes.items() if isinstance(p, Exception)
        }
        bad = {i: p for i, p in probes.items() if not isinstance(p, Exception)}
        self._judge = self._judge or Judge()
        return blind | judge(self._judge, [c for c in numbered if c.id in bad], values, bad)

    def _verdict(
        self, contract: Contract, check: Check, found: Measured | Exception, outcome: bool | str, scope: Scope
    ) -> Verdict:
        verdict: Result = "raised" if isinstance(outcome, str) else "passed" if outcome else "failed"
        fault = " ".join(outcome.split())[:300] if isinstance(outcome, str) else ""
        measured = found if isinstance(found, Measured) else None
        zh, en = sentences(check, contract, verdict, measured, fault)
        if verdict != "passed":
            log.warning("%s: %s %s: %s", contract.id, check.id, verdict, en)
        return Verdict(
            self._run_id, contract.id, check.id, check.kind, check.severity, verdict,
            measured.observed if measured else None, check.expected, zh, en, measured.rows if measured else 0,
            self._now, scope.batch_ids,
        )  # fmt: skip


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


def _holds(check: Check, measured: Measured) -> bool:
    """The plain comparison. No number means nothing to compare, and holds, except for a feed that never spoke."""
    return measured.note != "never" if measured.observed is None else check.admits(measured.observed)
