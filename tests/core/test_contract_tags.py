"""A contract is data: no tag of YAML makes an object of Python or runs anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.catalogue import load_contract
from core.contract import ContractError


@pytest.mark.case("security.held.H6")
@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.mkdir ['{out}']",
        "!!python/object/new:os.mkdir ['{out}']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!anything x",
    ],
)
def test_tags_are_refused_and_run_nothing(tmp_path: Path, tag: str) -> None:
    path = tmp_path / "x.odcs.yaml"
    path.write_text(f"apiVersion: v3.0.2\nid: {tag.format(out=tmp_path / 'made')}\n", encoding="utf-8")
    with pytest.raises(ContractError, match="not YAML"):
        load_contract(path)
    assert not (tmp_path / "made").exists()
