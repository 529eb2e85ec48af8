"""One payload ahead: a department is read for the next one while the one in hand is parsed and landed."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

from core.stages import Payload


def ahead(payloads: Generator[Payload]) -> Generator[Payload]:
    """The same payloads in the same order; what a connector raises comes after those before it were taken.

    The connector runs in one thread of its own to its end, for connections to databases may not change theirs. At most
    one payload waits, so that memory stays what two of them take.
    """
    with ThreadPoolExecutor(1) as pool:
        try:
            following = pool.submit(next, payloads, None)
            while (payload := following.result()) is not None:
                following = pool.submit(next, payloads, None)
                yield payload
        finally:
            pool.submit(payloads.close).result()
