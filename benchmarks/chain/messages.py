"""Bodies of messages, encoded once; only the instant is written in when one is sent.

A body is twenty rows of five metrics (tunnel) or twenty-five of four (gas): a hundred readings. Or one reading, one
metric of one device. Values are quiet; `loud` ones break a limit.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

READINGS = 100
_HOLE = 9_999_999_999_999  # as long as a Unix time in milliseconds
_HOLE_TEXT = str(_HOLE).encode()
TUNNEL_ROWS, GAS_ROWS = 20, 25


@dataclass(frozen=True, slots=True)
class Template:
    """A message that may be sent again and again. `devices` are those of its rows, in order."""

    feed_id: str
    topic: str
    devices: tuple[str, ...]
    readings: int
    text: bytes

    def body(self, at_ms: int) -> bytes:
        """The message with its rows at an instant."""
        return self.text.replace(_HOLE_TEXT, b"%d" % at_ms)


def hundreds(gas: Sequence[str], tunnel: Sequence[str], seed: int = 1) -> list[Template]:
    """Templates of a hundred readings for every device once, both feeds in turn."""
    chance = random.Random(seed)
    found: list[list[Template]] = [[], []]
    for kind, (devices, rows) in enumerate(((gas, GAS_ROWS), (tunnel, TUNNEL_ROWS))):
        for start in range(0, len(devices) - rows + 1, rows):
            part = tuple(devices[start : start + rows])
            records = [_gas(one, chance) if kind == 0 else _tunnel(one, chance) for one in part]
            found[kind].append(_template("gas" if kind == 0 else "tunnel", part, records, READINGS))
    turns: list[Template] = []
    for pair in range(max(map(len, found))):
        turns += [templates[pair] for templates in found if pair < len(templates)]
    return turns


def ones(gas: Sequence[str], seed: int = 1) -> list[Template]:
    """Templates of one reading: a device's methane and nothing else."""
    chance = random.Random(seed)
    return [_template("gas", (one,), [_gas(one, chance, metrics=1)], 1) for one in gas]


def loud(device: str, methane_pct_lel: float = 60.0) -> Template:
    """One gas detector that breaks the worst limit."""
    record = _gas(device, random.Random(1)) | {"ch4Lel": methane_pct_lel}
    return _template("gas", (device,), [record], 4)


def _template(kind: str, devices: tuple[str, ...], records: list[dict[str, object]], readings: int) -> Template:
    text = orjson.dumps(records if len(records) > 1 else records[0])
    sender = devices[0] if len(devices) == 1 else gateway_of(devices[0])
    return Template(f"urban.{kind}_reading", f"urban/{kind}_reading/{sender}", devices, readings, text)


def gateway_of(first: str) -> str:
    """Who passes on the devices of one message, by the first of them."""
    return f"{first}-GW"


def _gas(device: str, chance: random.Random, metrics: int = 4) -> dict[str, object]:
    values = {
        "ch4Lel": round(chance.uniform(0, 6), 2),
        "ch4Vol": round(chance.uniform(0, 0.3), 3),
        "press": round(chance.uniform(180, 260), 1),
        "temp": round(chance.uniform(10, 28), 1),
    }
    return {"deviceId": device, "ts": _HOLE, **dict(list(values.items())[:metrics]), "st": "0"}


def _tunnel(device: str, chance: random.Random) -> dict[str, object]:
    return {
        "deviceId": device,
        "ts": _HOLE,
        "ch4": round(chance.uniform(0, 4), 2),
        "o2": round(chance.uniform(20, 21), 2),
        "h2s": round(chance.uniform(0, 2), 2),
        "temp": round(chance.uniform(12, 26), 1),
        "rh": round(chance.uniform(50, 80), 1),
        "st": "0",
    }
