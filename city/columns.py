"""Values of a register's columns, by the generators that `simulation.yaml` names: choice, gamma, text, place, ago."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from city import naming
from city.clock import Span
from city.geography import Places, lines, to_gcj02
from city.live.quantity import Quantity, quantity
from city.profiles import Profile
from core.declarations import DeclarationError, seconds

Cells = npt.NDArray[Any]
Element = Mapping[str, Any]


@dataclass
class Drawing:
    """One register while its columns are drawn: n rows, their places, the rows they belong to, columns so far."""

    profile: Profile
    span: Span
    rng: np.random.Generator
    places: Places
    datum: str
    parent: pl.DataFrame | None = None
    kinds: Cells | None = None
    moments: Cells | None = None
    owner: str = ""
    chain: int = 1
    columns: dict[str, Cells] = field(default_factory=dict)
    lengths_m: dict[str, Cells] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many rows."""
        return len(self.places)

    def column(self, name: str) -> Cells:
        """A column that stands above. Raises DeclarationError when none of that name does."""
        if name not in self.columns:
            above = ", ".join(self.columns) or "none"
            raise DeclarationError(f"column {name!r} does not stand above the one that uses it; above are {above}")
        return self.columns[name]


def draw_column(name: str, spec: Element, drawing: Drawing) -> None:
    """Put one column into the drawing. Raises DeclarationError for another column that is not there to be used."""
    if "line" in spec:
        drawing.columns[name], drawing.lengths_m[name] = lines(drawing.places, spec["line"], drawing.rng)
    else:
        drawing.columns[name] = cells(spec, drawing)


def cells(spec: Element, drawing: Drawing) -> Cells:
    """The values that one generator makes. Raises DeclarationError for a column that is not there to be used."""
    kind = next((name for name in _GENERATORS if name in spec), None)
    if kind is None:
        raise DeclarationError(f"a line stands only as a column of its own; expected one of {', '.join(_GENERATORS)}")
    found = _GENERATORS[kind](spec, drawing)
    for name, change in (("times", np.multiply), ("plus", np.add)):
        if name in spec:
            found = change(found.astype(float), _amount(spec[name], drawing))
    if "least" in spec or "most" in spec:
        found = np.clip(found, spec.get("least", -np.inf), spec.get("most", np.inf))
    if "decimals" in spec:
        found = np.round(found.astype(float), spec["decimals"])
    if "blank" in spec:
        found = found.astype(object)
        found[drawing.rng.random(drawing.n) < spec["blank"]] = None
    return found


def _amount(raw: float | Element, drawing: Drawing) -> Any:
    return cells(raw, drawing).astype(float) if isinstance(raw, Mapping) else raw


def _text(spec: Element, drawing: Drawing) -> Cells:
    pattern, group = spec["text"], spec.get("groups_of", 1)
    places, profile = drawing.places, drawing.profile
    above = {name: drawing.columns[name] for name in drawing.columns if f"{{{name}" in pattern}
    made = []
    for i in range(drawing.n):
        words = {
            "n": i + 1,
            "group": i // group + 1,
            "chain": i // drawing.chain + 1,
            "link": i % drawing.chain + 1,
            "city": profile.code,
            "city_name": profile.short_zh,
            "county": places.county[i],
            "county_name": places.county_name[i],
            "street": places.street[i],
            "kind": "" if drawing.kinds is None else drawing.kinds[i],
        }
        try:
            made.append(pattern.format_map(words | {name: column[i] for name, column in above.items()}))
        except KeyError as error:
            raise DeclarationError(f"text {pattern!r}: nothing is called {error}; a column must stand above") from error
    return np.array(made, dtype=object)


def _choice(spec: Element, drawing: Drawing) -> Cells:
    raw = spec["choice"]
    values = np.array(list(raw), dtype=object)
    shares = np.array(list(raw.values()), dtype=float) if isinstance(raw, Mapping) else np.ones(len(raw))
    return values[drawing.rng.choice(len(values), drawing.n, p=shares / shares.sum())]


def _place(spec: Element, drawing: Drawing) -> Cells:
    lon, lat = drawing.places.lon, drawing.places.lat
    if drawing.datum == "GCJ-02":
        lon, lat = to_gcj02(lon, lat)
    return lon if spec["place"] == "lon" else lat


def _area(spec: Element, drawing: Drawing) -> Cells:
    raw, places = spec["area"], drawing.places
    if isinstance(raw, str):
        raw = {raw: 1.0}
    share = raw.get("street", 0.0) / sum(raw.values())
    return np.where(drawing.rng.random(drawing.n) < share, places.street, places.county).astype(object)


def _invented(spec: Element, drawing: Drawing) -> Cells:
    n, rng = drawing.n, drawing.rng
    match spec["invented"]:
        case "person":
            made = naming.people(n, rng)
        case "phone":
            made = naming.phones(n, rng)
        case "firm":
            made = naming.firms(n, drawing.profile.short_zh, rng)
        case _:
            made = naming.credit_codes(drawing.places.county, rng)
    return np.array(made, dtype=object)


def _ago(spec: Element, drawing: Drawing) -> Cells:
    """Instants as naive Beijing time; whole days where both ends are, and texts where forms are given."""
    low, high = (seconds(one) for one in spec["ago"])
    if low % 86_400 or high % 86_400:
        back = drawing.rng.integers(low, high, drawing.n).astype("timedelta64[s]")
        return np.array((np.datetime64(drawing.span.end, "us") - back).tolist(), dtype=object)
    return _dates(drawing.rng.integers(low // 86_400, high // 86_400, drawing.n), spec, drawing)


def _dates(days_ago: Cells, spec: Element, drawing: Drawing) -> Cells:
    """Days before the end as dates, or as texts where forms are given."""
    days: list[date] = [drawing.span.day_before(int(d)) for d in days_ago]
    if "as" not in spec:
        return np.array(days, dtype=object)
    forms, shares = list(spec["as"]), np.array(list(spec["as"].values()), dtype=float)
    picks = drawing.rng.choice(len(forms), drawing.n, p=shares / shares.sum())
    return np.array([day.strftime(forms[pick]) for day, pick in zip(days, picks, strict=True)], dtype=object)


def _moment(spec: Element, drawing: Drawing) -> Cells:
    """When each reading or event was (naive Beijing time), later by something between two durations."""
    low, high = (seconds(one) for one in spec["moment"])
    later = drawing.rng.integers(low, max(low + 1, high), drawing.n).astype("timedelta64[s]")
    return np.array((_moments(drawing) + later).tolist(), dtype=object)


def _signal(spec: Element, drawing: Drawing) -> Cells:
    """A value as the device of the register's row has it at each moment."""
    moments = _moments(drawing)
    assert drawing.parent is not None
    instants = (moments - np.timedelta64(8, "h")).astype("datetime64[s]").astype(np.int64).tolist()
    made: dict[str, Quantity] = {}
    found = []
    for row, at in zip(drawing.parent.to_dicts(), instants, strict=True):
        device_id = str(row[drawing.owner])
        if device_id not in made:
            made[device_id] = quantity(device_id, spec["signal"], row)
        sky_key = zlib.crc32(f"{drawing.profile.city}/{row.get('_county')}".encode())
        value = made[device_id].at(at, zlib.crc32(device_id.encode()), sky_key, {}, is_serviced=False)
        found.append(round(value, made[device_id].decimals))
    return np.array(found)


def _moments(drawing: Drawing) -> Cells:
    if drawing.moments is None:
        raise DeclarationError("rows that last have no moments; say `every` or `per_day` under rows")
    return drawing.moments


def _length(spec: Element, drawing: Drawing) -> Cells:
    if spec["length_of"] not in drawing.lengths_m:
        raise DeclarationError(f"length_of {spec['length_of']!r}: no line of that name stands above")
    return drawing.lengths_m[spec["length_of"]]


def _by(spec: Element, drawing: Drawing) -> Cells:
    ((name, branches),) = spec["by"].items()
    is_city = name == "city" and name not in drawing.columns
    above = [drawing.profile.city] * drawing.n if is_city else drawing.column(name)
    keys = np.array([str(cell) for cell in above], dtype=object)
    found = np.full(drawing.n, None, dtype=object)
    done = np.zeros(drawing.n, dtype=bool)
    for key in [*(k for k in branches if k != "else"), *(["else"] if "else" in branches else [])]:
        mine = ~done if key == "else" else keys == key
        found[mine] = cells(branches[key], drawing)[mine]
        done |= mine
    return found


def _distributed(spec: Element, drawing: Drawing) -> Cells:
    """Draws of one of numpy's distributions with two parameters, whose name the generator has."""
    name = next(name for name in ("uniform", "integers", "gamma", "normal") if name in spec)
    first, second = spec[name]
    drawn: Cells = getattr(drawing.rng, name)(first, second, drawing.n)
    return drawn


def _parent(spec: Element, drawing: Drawing) -> Cells:
    if drawing.parent is None or spec["parent"] not in drawing.parent.columns:
        raise DeclarationError(f"parent {spec['parent']!r}: the rows belong to no register with that column")
    return np.array(drawing.parent[spec["parent"]].to_list(), dtype=object)


_GENERATORS: Mapping[str, Callable[[Element, Drawing], Cells]] = {
    "text": _text,
    "choice": _choice,
    "uniform": _distributed,
    "integers": _distributed,
    "gamma": _distributed,
    "normal": _distributed,
    "poisson": lambda spec, drawing: drawing.rng.poisson(spec["poisson"], drawing.n),
    "constant": lambda spec, drawing: np.full(drawing.n, spec["constant"], dtype=object),
    "place": _place,
    "area": _area,
    "invented": _invented,
    "ago": _ago,
    "days_ago": lambda spec, drawing: _dates(cells(spec["days_ago"], drawing), spec, drawing),
    "length_of": _length,
    "moment": _moment,
    "signal": _signal,
    "by": _by,
    "from": lambda spec, drawing: drawing.column(spec["from"]),
    "parent": _parent,
}
