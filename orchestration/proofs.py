"""Which tests prove what a system has, and what their last recorded run on this commit said.

A test run writes down how these tests ended, beside the checkout's commit (`.proofs/`, ignored by git). A record counts
on that commit with a clean tree and nowhere else: edited code proves nothing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent
CONDITIONS = ("feed", "model", "rule", "page")
_FOLDER = ".proofs"
_SAMPLE = "tests/systems/test_samples.py::test_sample[{}]"
_OF_SYSTEM: Mapping[str, str] = {
    "feed": "tests/systems/test_conditions.py::test_feed[{}]",
    "model": "tests/systems/test_conditions.py::test_model[{}]",
    "rule": "tests/systems/test_conditions.py::test_rule[{}]",
    "page": "tests/pages/test_system_pages.py::test_page[{}]",
}
_FILES = frozenset(name.partition("::")[0] for name in (_SAMPLE, *_OF_SYSTEM.values()))


def proofs_of(system_id: str, feed_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Condition → the ids of the tests that prove it."""
    proofs = {condition: (name.format(system_id),) for condition, name in _OF_SYSTEM.items()}
    return {**proofs, "feed": (*proofs["feed"], *(_SAMPLE.format(feed_id) for feed_id in feed_ids))}


def is_proof(test_id: str) -> bool:
    """Whether a test is one of those that may prove a condition."""
    return test_id.partition("::")[0] in _FILES


def commit_of(checkout: Path = CHECKOUT) -> str | None:
    """The commit that the files of a checkout are; None for edited ones, and where no checkout is."""
    if not (checkout / ".git").exists():
        return None
    try:
        changed, commit = (_git(checkout, *words) for words in (("status", "--porcelain"), ("rev-parse", "HEAD")))
    except (OSError, subprocess.CalledProcessError):
        return None
    return None if changed else commit


def record(outcomes: Mapping[str, bool], commit: str, checkout: Path = CHECKOUT) -> None:
    """Write down how tests ended on a commit, beside what other runs on it found."""
    folder = checkout / _FOLDER
    folder.mkdir(exist_ok=True)
    known = _read(folder / f"{commit}.json")
    for path in folder.glob("*.json"):
        path.unlink()
    text = json.dumps({**known, **outcomes}, indent=1, sort_keys=True)
    (folder / f"{commit}.json").write_text(text, encoding="utf-8")


def recorded(checkout: Path = CHECKOUT) -> Mapping[str, bool]:
    """Test id → whether it passed when it last ran on this commit; nothing for edited files."""
    if not (checkout / _FOLDER).is_dir():
        return {}
    commit = commit_of(checkout)
    return {} if commit is None else _read(checkout / _FOLDER / f"{commit}.json")


def verdict(proofs: Iterable[str], outcomes: Mapping[str, bool]) -> bool | None:
    """Whether all proofs passed: False as soon as one failed, None while one has no record."""
    found = [outcomes.get(proof) for proof in proofs]
    if False in found:
        return False
    return None if None in found else True


def _read(path: Path) -> dict[str, bool]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _git(checkout: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(checkout), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()
