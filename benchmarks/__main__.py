"""`python -m benchmarks [NAME …] [-- OPTIONS]`: run the named benchmarks, or all, one after the other.

Options after `--` go to each of them, for example `make bench ARGS="warehouse_20m -- --readings 2000000"`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main() -> int:
    """Run the chosen benchmarks; the exit code is the first one that is not 0."""
    given = sys.argv[1:]
    split = given.index("--") if "--" in given else len(given)
    names, options = given[:split], given[split + 1 :]
    known = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("__"))
    if "--help" in names or any(name not in known for name in names):
        print(f"{__doc__}\nbenchmarks: {', '.join(known)}")
        return 0 if "--help" in names else 2
    codes = []
    for name in names or known:
        print(f"── {name}", flush=True)
        codes.append(subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *options], check=False).returncode)
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    raise SystemExit(main())
