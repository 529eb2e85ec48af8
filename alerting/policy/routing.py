"""Who has to deal with an alert: exactly one unit, by the rows of responsibilities, with its duty office. Pure.

A place without a row of its own belongs to the next area above it. A kind of risk that nobody in the city is named
for goes to the department that owns it (whose feeds register its objects), failing that to the unit that commands that
domain, and failing that to the city's government: no alert is without a unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from core.area import county_of, is_within

ROLES = ("lead", "responsible", "build", "monitor", "command", "dispose")


class RoutingError(ValueError):
    """An area that no city of the rows knows; says which are known."""


@dataclass(frozen=True, slots=True)
class Unit:
    """An organisation that deals with alerts, its duty office, and why it was chosen."""

    organisation_id: str
    name_zh: str
    name_en: str
    duty_phone: str
    duty_email: str
    basis: str  # area of the row that named it, or owner, command, government


@dataclass(frozen=True, slots=True)
class _Duty:
    organisation_id: str
    valid_from: date
    valid_to: date | None


class Routing:
    """Areas, organisations, their duties and contacts, ready to be asked."""

    def __init__(
        self,
        areas: Iterable[Mapping[str, str]],
        organisations: Iterable[Mapping[str, str]],
        responsibilities: Iterable[Mapping[str, str]],
        contacts: Iterable[Mapping[str, str]],
        owners: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        self._owners = owners or {}
        self.areas = {row["area_code"]: row for row in areas}
        self.organisations = {row["organisation_id"]: row for row in organisations}
        self._contacts = {row["organisation_id"]: row for row in contacts}
        self._duties: dict[tuple[str, str, str, str], list[_Duty]] = {}
        for row in responsibilities:
            duty = _Duty(row["organisation_id"], _day(row["valid_from"]) or date.min, _day(row["valid_to"]))
            key = (row["area_code"], row["domain"], row["risk_type"], row["role"])
            self._duties.setdefault(key, []).append(duty)

    def disposing(self, area_code: str, domain: str, subdomain: str, on: date) -> Unit:
        """The one unit that deals with this kind of risk at this place on a day. Raises RoutingError."""
        city = self.city_of(area_code)
        for code in self.upwards(area_code):
            named = self._named(code, domain, subdomain, "dispose", on)
            if named:
                return self._unit(named, f"dispose:{code}")
        owner = f"{city}:{self._owners.get((domain, subdomain), '')}"
        if owner in self.organisations:
            return self._unit(owner, f"owner:{city}")
        commanding = {
            self._named(code, known, risk, role, on)
            for (code, known, risk, role) in self._duties
            if code == city and known == domain and role == "command"
        } - {None}
        if len(commanding) == 1:
            return self._unit(str(commanding.pop()), f"command:{city}")
        return self._unit(city, f"government:{city}")

    def named(self, role: str, area_code: str, domain: str, subdomain: str, on: date) -> str | None:
        """The organisation with one of the six roles, None when nobody is named."""
        for code in self.upwards(area_code):
            found = self._named(code, domain, subdomain, role, on)
            if found:
                return found
        return None

    def issuer(self, area_code: str, department: str) -> tuple[str, str]:
        """Who may issue a warning (art. 64: county government or above, or the department it empowers): zh, en."""
        city = self.city_of(area_code)
        county = self.organisations.get(county_of(area_code))
        chosen = self.organisations.get(f"{city}:{department}") if department else county
        row = chosen or self.organisations[city]
        if row["kind"] == "county":
            return f"{row['name_zh']}", f"People's Government of {row['name_en']}"
        return row["name_zh"], row["name_en"]

    def upwards(self, area_code: str) -> Iterator[str]:
        """The area and those above it, up to its city; an unknown code starts at the known one it lies in."""
        code: str | None = self._known(area_code)
        while code and code in self.areas:
            yield code
            if self.areas[code]["level"] in ("city", "district"):
                return
            code = self.areas[code]["parent_code"]

    def city_of(self, area_code: str) -> str:
        """The city or district under a province that an area belongs to. Raises RoutingError."""
        codes = list(self.upwards(area_code))
        if codes and codes[-1] in self.organisations:
            return codes[-1]
        known = sorted(code for code, row in self.organisations.items() if row["kind"] == "government")
        raise RoutingError(f"area {area_code!r} lies in none of the cities {', '.join(known)}")

    def place(self, area_code: str) -> tuple[str, str]:
        """The area with those above it, as one says it in Chinese and in English."""
        rows = [self.areas[code] for code in self.upwards(area_code)]
        return "".join(row["name_zh"] for row in reversed(rows)), ", ".join(row["name_en"] for row in rows)

    def _known(self, area_code: str) -> str | None:
        for length in (12, 9, 6):
            code = area_code[:length]
            if code in self.areas and is_within(area_code, code):
                return code
        city = f"{area_code[:4]}00"
        return city if city in self.areas else None

    def _named(self, code: str, domain: str, risk: str, role: str, on: date) -> str | None:
        valid = [
            duty
            for duty in self._duties.get((code, domain, risk, role), [])
            if duty.valid_from <= on and (duty.valid_to is None or on <= duty.valid_to)
        ]
        # When an old row was not ended in time, the newer one holds.
        newest = max(valid, key=lambda duty: (duty.valid_from, duty.organisation_id), default=None)
        return newest.organisation_id if newest else None

    def _unit(self, organisation_id: str, basis: str) -> Unit:
        row = self.organisations[organisation_id]
        holder: str | None = organisation_id
        while holder and holder not in self._contacts:
            holder = self.organisations[holder]["parent_id"] if holder in self.organisations else None
        contact = self._contacts.get(holder or "")
        if contact is None:
            raise RoutingError(f"{organisation_id} and nobody above it has a duty office; add a row to contacts.csv")
        return Unit(
            organisation_id, row["name_zh"], row["name_en"], contact["duty_phone"], contact["duty_email"], basis
        )


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
