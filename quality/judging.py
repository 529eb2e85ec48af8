"""Judge the checks of one feed: on landed rows by expectations, on the ledger alone by comparison.

An answer is trusted only where it shows what it says: a failure its rows or its number, and every expectation that it
finds the rows known to be bad (`quality.probe`). Anything else is a fault of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import duckdb

from core.contract import Contract
from core.mask import mask_text
from quality.checks import COUNTED_KINDS, Check
from quality.engine import Answer, ExpectationEngine, is_query
from quality.landed import LandedBatch, Usual
from quality.probe import bad_rows, make_bad_total, write_bad_rows
from quality.scope import File, Scope
from quality.suite import N_SAMPLES, Inputs
from quality.verdict import Measured

_SAMPLE_LENGTH = 80
_MAY_BE_EMPTY = frozenset({"freshness", "distribution_drift", "sum"})  # a column without values has no mean and no end
_MARGIN = 1e-9  # two ways to reckon one number differ in the last digits


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one check: what was found and whether it holds, or the fault that keeps us from saying so."""

    holds: bool
    measured: Measured | None = None
    fault: str = ""


def judge_ledger(checks: Iterable[Check], scope: Scope, now: datetime) -> dict[str, Finding]:
    """Judge checks where no row is new: what was refused, what was sent again unchanged, how old the newest event is.

    Starting an engine would cost seconds to subtract two times.
    """
    found = {}
    with duckdb.connect(":memory:") as connection:
        landed = LandedBatch(connection, scope, {}, now)
        for check in checks:
            try:
                found[check.id] = _compared(check, _of_ledger(check, landed, now))
            except Exception as error:  # noqa: BLE001 - what a check dies of is its verdict, and must not stop the others
                found[check.id] = Finding(holds=False, fault=f"{type(error).__name__}: {error}")
    return found


def judge_rows(
    engine: ExpectationEngine,
    contract: Contract,
    checks: Sequence[Check],
    scope: Scope,
    references: Mapping[str, Sequence[File]],
    now: datetime,
) -> dict[str, Finding]:
    """Judge all checks of a feed of which something new has landed. A crash stays with its own check."""
    landed = LandedBatch(engine.connection, scope, references, now)
    found: dict[str, Finding] = {}
    usual: dict[str, Usual] = {}
    try:
        for check in checks:
            before = _before(check, landed, usual, now)
            if before is not None:
                found[check.id] = before
        left = [check for check in checks if check.id not in found]
        if left:
            inputs = _inputs(landed, left, usual)
            answers = _answers(engine, landed, left, inputs)
            proofs = _proofs(engine, contract, landed, left, inputs)
            for check in left:
                finding = _trusted(check, answers[check.id], proofs[check.id], inputs, landed.n_rows)
                found[check.id] = _shown(finding, check, contract, landed)
    finally:
        landed.drop()
    return {check.id: found[check.id] for check in checks}


# ── before the engine is asked ────────────────────────────────────────────────────────────────────────────────────────
def _before(check: Check, landed: LandedBatch, usual: dict[str, Usual], now: datetime) -> Finding | None:
    """What needs no engine: the ledger's word, nothing to compare with, or a file that cannot be opened.

    None: the engine is to be asked, and every view that it needs is there. Notes in `usual` what a mean was before.
    """
    try:
        if check.kind == "refused":
            return _compared(check, _of_ledger(check, landed, now))
        _ = landed.rows
        match check.kind:
            case "freshness":
                landed.newest(check)
            case "reference":
                landed.register(check.arguments["feed"])
            case "unique_key" if not check.arguments["is_whole"]:
                landed.history(check.arguments["is_register"])
            case "sum" if not landed.references[check.arguments["feed"]]:
                return Finding(holds=True, measured=Measured(None, landed.n_rows, "no_register"))
            case "sum":
                landed.sums(check)
            case "distribution_drift":
                before = landed.usual(check)
                if before is None:
                    return Finding(holds=True, measured=Measured(None, landed.n_rows, "no_history"))
                usual[check.id] = before
    except Exception as error:  # noqa: BLE001 - what a check dies of is its verdict, and must not stop the others
        return Finding(holds=False, fault=f"{type(error).__name__}: {error}")
    return None


def _of_ledger(check: Check, landed: LandedBatch, now: datetime) -> Measured:
    scope = landed.scope
    match check.kind:
        case "refused":
            delivered = scope.delivered
            return Measured(delivered.refused_pct, delivered.rows, "nothing_landed" if delivered.is_lost else "")
        case "volume":
            return Measured(float(scope.rows_resent), scope.rows_resent)
        case "freshness" if scope.newest_day:
            return _age(check, landed.newest_age_h(check), landed.n_newest)
        case "freshness":
            since = scope.awaited_since
            is_early = since is not None and check.high is not None and now - since <= timedelta(hours=check.high)
            return Measured(None, 0, "not_yet" if is_early else "never")
    raise ValueError(f"{check.feed_id}: {check.id}: a {check.kind} needs rows")


def _age(check: Check, age_h: float | None, rows: int) -> Measured:
    if age_h is None:
        return Measured(None, rows, "never")
    return Measured(age_h, rows, "silent" if age_h > check.arguments["silent_h"] else "")


def _compared(check: Check, measured: Measured) -> Finding:
    """No number means nothing to compare, and holds, except for a feed that never spoke."""
    holds = measured.note != "never" if measured.observed is None else check.admits(measured.observed)
    return Finding(holds, measured)


def _inputs(landed: LandedBatch, checks: Iterable[Check], usual: Mapping[str, Usual]) -> Inputs:
    repeated = next((c for c in checks if c.kind == "unique_key" and not c.arguments["is_whole"]), None)
    history = landed.history(repeated.arguments["is_register"]) if repeated else None
    return Inputs(
        landed.columns(landed.rows),
        history,
        landed.columns(history) if history else (),
        landed.scope.rows_resent,
        usual,
    )


# ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _answers(
    engine: ExpectationEngine, landed: LandedBatch, checks: Sequence[Check], inputs: Inputs
) -> dict[str, Answer]:
    """The engine's word on every check; of those that fail row by row also how many rows, and a few of them."""
    rows = landed.judged(landed.rows, checks)
    counted = [check for check in checks if check.kind in COUNTED_KINDS]
    answers = engine.ask(rows, counted, inputs, "whether")
    failed = [check for check in counted if not answers[check.id].success and not answers[check.id].fault]
    for is_said_as_query in (False, True):
        chosen = [check for check in failed if is_query(check) is is_said_as_query]
        answers |= engine.ask(rows, chosen, inputs, "samples")
    totals = [c for c in checks if c.kind in ("volume", "reference", "distribution_drift")]
    answers |= engine.ask(rows, totals, inputs, "how_many")
    for check in checks:
        if check.kind in ("freshness", "sum"):
            view = landed.newest(check) if check.kind == "freshness" else landed.sums(check)
            answers |= engine.ask(view, [check], inputs, "how_many")
    return answers


def _proofs(
    engine: ExpectationEngine, contract: Contract, landed: LandedBatch, checks: Sequence[Check], inputs: Inputs
) -> dict[str, Answer]:
    """The same expectations on rows known to be bad. What new rows may repeat is left out: it may be long."""
    table = write_bad_rows(engine.connection, bad_rows(contract, checks, inputs.usual))
    alone = replace(inputs, columns=landed.columns(table), history=None, history_columns=(), rows_resent=0)
    of_totals = [check for check in checks if check.kind in ("volume", "sum")]
    proofs = engine.ask(landed.judged(table, checks), [c for c in checks if c not in of_totals], alone, "whether")
    engine.connection.execute(f"drop table {table}")
    for check in of_totals:
        view = make_bad_total(engine.connection, check)
        proofs |= engine.ask(view, [check], alone, "whether")
        engine.connection.execute(f"drop view {view}")
    return proofs


# ── what an answer is worth ───────────────────────────────────────────────────────────────────────────────────────────
def _trusted(check: Check, answer: Answer, proof: Answer, inputs: Inputs, n_rows: int) -> Finding:
    fault = answer.fault
    if not fault and (proof.fault or proof.success):
        fault = f"on the known-bad row: {proof.fault}" if proof.fault else "the known-bad row passed"
    if not fault and answer.observed is None and not (answer.success or check.kind in _MAY_BE_EMPTY):
        fault = "the engine says that it fails, and shows nothing that breaks it"
    if fault:
        return Finding(holds=False, fault=fault)
    measured = _measured(check, answer, inputs, n_rows)
    if measured.observed is None:
        return _compared(check, measured)
    margin = 0.0 if check.unit == "rows" else _MARGIN * max(1.0, abs(measured.observed))
    if not any(check.admits(measured.observed + d) is answer.success for d in (0.0, margin, -margin)):
        said = f"the engine says {answer.success} for {measured.observed:g}, limits {check.expected}"
        return Finding(holds=False, fault=said)
    return Finding(answer.success, measured)


def _measured(check: Check, answer: Answer, inputs: Inputs, n_rows: int) -> Measured:
    """The engine's number as the contract counts it."""
    observed = answer.observed
    match check.kind:
        case "volume":
            return Measured((observed or 0.0) + inputs.rows_resent, n_rows + inputs.rows_resent)
        case "freshness":
            return _age(check, observed, n_rows)
        case "distribution_drift":
            if observed is None:
                return Measured(None, n_rows, "no_values")
            return Measured(inputs.usual[check.id].distance(observed), n_rows)
        case "sum" if observed is None:
            return Measured(None, n_rows, "no_register")
    return Measured(observed or 0.0, n_rows, samples=answer.samples)


def _shown(finding: Finding, check: Check, contract: Contract, landed: LandedBatch) -> Finding:
    """A failure with a few of the values that broke it, as people may see them."""
    if finding.holds or finding.measured is None:
        return finding
    measured = finding.measured
    if check.kind == "reference":
        is_without = not landed.references[check.arguments["feed"]]
        measured = replace(
            measured, note="no_register" if is_without else "", samples=landed.unknown_values(check, N_SAMPLES)
        )
    named = {check.column, *check.arguments.get("key", ())}
    is_personal = any(column.is_personal for column in contract.columns if column.landed_name in named)
    samples = tuple((mask_text(text) if is_personal else text)[:_SAMPLE_LENGTH] for text in measured.samples)
    return replace(finding, measured=replace(measured, samples=samples))
