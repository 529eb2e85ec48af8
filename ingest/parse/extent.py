"""How large a workbook is once it is unpacked, looked at before a reader makes room for it.

Readers lay a sheet out as a full rectangle: two cells, A1 and XFD1048576, in a file of 1.5 kB ask for 512 GB.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib

from ingest.parse.fault import FileFault

MOST_CELLS = 50_000_000  # of the rectangle around all cells of a sheet
MOST_BYTES = 2 * 1024**3  # of all parts unpacked
_PART_BYTES = 1 << 20
_KEPT_BYTES = 64  # a place that two parts share
_PLACE = re.compile(rb"""\sr=["']([A-Z]{0,3})([0-9]{1,7})["']""")


def check_extent(body: bytes) -> None:
    """Raises FileFault for a workbook too large to be read; what is no zip file is left to the reader."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as package:
            left = MOST_BYTES
            for part in package.infolist():
                is_sheet = part.filename.startswith("xl/worksheets/") and part.filename.endswith(".xml")
                left -= part.file_size
                if left < 0:
                    raise FileFault("unreadable_file", f"more than {MOST_BYTES} bytes unpacked")
                if is_sheet:
                    _check_sheet(package, part)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError):
        return


def _check_sheet(package: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """The rectangle from A1 to the last row and column that any cell or row of a sheet names."""
    row, column, rest = 0, 0, b""
    with package.open(part) as stream:
        while chunk := stream.read(_PART_BYTES):
            rest += chunk
            for letters, digits in set(_PLACE.findall(rest)):
                row, column = max(row, int(digits)), max(column, column_number(letters))
            rest = rest[-_KEPT_BYTES:]
    if row * column > MOST_CELLS:
        found = f"{part.filename.rpartition('/')[2]} reaches row {row}, column {column}: {row * column} cells"
        raise FileFault("unreadable_file", f"{found}; expected at most {MOST_CELLS}")


def column_number(letters: bytes) -> int:
    """A column's number from its letters, 0 for none."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
