"""An exported suite runs without us and gives the product's verdicts, exit codes included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from landed_rows import NOW, good_rows, land, with_meta

from core.contract import Contract
from core.settings import Home
from quality.export import export_checks
from quality.run import check_feed

FEED, REGISTER = "weather.observation", "weather.station"

# Runs the script as `__main__`, once for each batch, in one process: the library is imported once.
DRIVER = """
import contextlib, importlib.util, io, json, runpy, sys
told = {"ours": [name for name in ("quality", "core", "ingest") if importlib.util.find_spec(name)]}
folder, docs, *batches = sys.argv[1:]
sys.path.insert(0, folder)
for batch in batches:
    sys.argv = ["run.py", batch, *(["--docs", docs] if batch == batches[0] else [])]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            runpy.run_path(folder + "/run.py", run_name="__main__")
        except SystemExit as end:
            told[batch] = [end.code, out.getvalue()]
print(json.dumps(told))
"""


@pytest.fixture
def foreign_python(tmp_path: Path) -> Path:
    """A virtual environment with the locked libraries on its path, and nothing of ours.

    A path in a .pth file is searched, but the .pth files that stand there are not read: what is installed as editable
    (this project) stays unknown.
    """
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    return folder / "bin" / "python"


@pytest.mark.slow
def test_an_exported_suite_runs_without_us_and_gives_our_verdicts(
    home: Home, engine: sa.Engine, contracts: dict[str, Contract], foreign_python: Path, tmp_path: Path
) -> None:
    contract, today = contracts[FEED], NOW.date()
    land(home, engine, contracts[REGISTER], [(today, good_rows(contracts[REGISTER]))], state="admitted", run_id="run-0")
    good = good_rows(contract)
    bad = good.with_columns(
        pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("ZZZ1")).otherwise("station_id").alias("station_id"),
        pl.when(pl.int_range(pl.len()) < 2).then(300.5).otherwise("rain_1h_mm").alias("rain_1h_mm"),
    )
    good_path, broken_path = tmp_path / "good.parquet", tmp_path / "broken.parquet"
    with_meta(good, "good").write_parquet(good_path)
    with_meta(good.drop("rain_1h_mm"), "broken").write_parquet(broken_path)
    folder = tmp_path / "exported"
    written = export_checks(home, engine, contract, folder, with_docs=True)
    assert all(path.exists() for path in written)
    assert (folder / "docs" / "index.html").exists()
    assert len((folder / "buffered_duckdb.py").read_text(encoding="utf-8").splitlines()) <= 30

    (bad_path,) = land(home, engine, contract, [(today, bad)], run_id="run-2")
    command = [
        str(foreign_python),
        "-c",
        DRIVER,
        str(folder),
        str(tmp_path / "docs"),
        str(good_path),
        str(bad_path),
        str(broken_path),
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["ours"] == [], f"{sys.executable} knows this project without its editable install: nothing is proven"
    assert [told[str(path)][0] for path in (good_path, bad_path, broken_path)] == [0, 1, 2]
    assert (tmp_path / "docs" / "index.html").exists()
    assert "raised  range_rain_1h_mm" in told[str(broken_path)][1]

    ours = {v.check_id: v.verdict for v in check_feed(home, engine, contract, contracts, "run-2", NOW)}
    lines = [line.split(maxsplit=1) for line in told[str(bad_path)][1].splitlines() if "not judged" not in line]
    theirs = {check_id: word for word, check_id in lines}
    assert {"failed", "passed"} == set(theirs.values())
    assert {check_id: ours[check_id] for check_id in theirs} == theirs
    unjudged = {line.split()[2] for line in told[str(bad_path)][1].splitlines() if line.startswith("not judged")}
    assert unjudged == (set(ours) - set(theirs)) | {"unique_key"}
