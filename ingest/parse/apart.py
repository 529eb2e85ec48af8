"""Foreign formats are read in a child process with bounds: what ends a native parser costs one file, never a run.

A workbook of 1.5 kB can ask its parser for hundreds of gigabytes, and no handler of ours hears of it. The child stays
for the next file and goes when we go. Not here: what is refused before it is read (`ingest.parse.extent`).
"""

from __future__ import annotations

import os
import resource
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

from core.contract import Contract
from core.stages import RawTable
from ingest.parse import parse
from ingest.parse.fault import FileFault

FOREIGN = frozenset({"xlsx", "gpkg"})  # read by native libraries that trust the sizes a file states
ADDRESS_SPACE_BYTES = 6 * 1024**3
CPU_S = 120  # for one file
_turn = threading.Lock()


def parse_apart(body: bytes, media: str, contract: Contract) -> RawTable:
    """`parse`, in the child where the format is foreign. Raises FileFault also for a file that ends the child."""
    if media not in FOREIGN:
        return parse(body, media, contract)
    with _turn:
        try:
            return _child().submit(_parse_within, body, media, contract).result()
        except BrokenProcessPool as error:
            _child.cache_clear()
            detail = f"reading it takes more than {ADDRESS_SPACE_BYTES >> 30} GiB or {CPU_S} s, or ends its reader"
            raise FileFault("unreadable_file", detail) from error


@cache
def _child() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_bound)


def end_child() -> None:
    """End the child, if there is one; the next foreign file gets a new one."""
    if _child.cache_info().currsize:
        _child().shutdown()
        _child.cache_clear()


def _bound() -> None:
    """The bounds of the child, set before it has read anything."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
    os._exit(1)


def _parse_within(body: bytes, media: str, contract: Contract) -> RawTable:
    """One file within its processor time, on top of what the files before it took."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_S, most))
    try:
        return parse(body, media, contract)
    except MemoryError as error:
        raise FileFault("unreadable_file", f"reading it takes more than {ADDRESS_SPACE_BYTES >> 30} GiB") from error
