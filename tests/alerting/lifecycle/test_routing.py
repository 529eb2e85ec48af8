"""Who disposes: exactly one unit for every rule in every area, with a duty office; and the guide that goes with it."""

import csv
from datetime import date
from pathlib import Path

import pytest

from alerting.policy.notification_policies import (
    NotificationPolicies,
    NotificationPolicyError,
    load_notification_policies,
)
from alerting.policy.routing import ROLES, Routing, RoutingError
from alerting.policy.warning_facts import Guides
from orchestration.project import PROJECT, seed_folders, table_of

TODAY = date(2026, 6, 1)


def rows(name: str) -> list[dict[str, str]]:
    with table_of(PROJECT, f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def kinds() -> set[tuple[str, str]]:
    """Every kind of risk that a rule, a threshold or a feed has."""
    tables = rows("thresholds"), rows("generated/kinds"), rows("alert_rules")
    return {(row["domain"], row["subdomain"]) for table in tables for row in table}


@pytest.mark.parametrize("city", ["420500", "520300"])
def test_every_kind_in_every_area_has_one_unit(policies: NotificationPolicies, city: str) -> None:
    areas = [row["area_code"] for row in rows("areas") if row["city_code"] == city]
    assert len(areas) > 100
    assert len(kinds()) > 20
    for area in areas:
        for domain, subdomain in kinds():
            unit = policies.routing.disposing(area, domain, subdomain, TODAY)
            assert unit.organisation_id.startswith(city), (area, subdomain)
            assert unit.duty_phone
            assert unit.duty_email


def test_an_area_without_a_row_belongs_to_the_one_above(policies: NotificationPolicies) -> None:
    unit = policies.routing.disposing("420502001", "natural_hazard", "flood", TODAY)
    assert (unit.organisation_id, unit.basis) == ("420500:water", "dispose:420500")
    unknown_street = policies.routing.disposing("420502999", "natural_hazard", "flood", TODAY)
    assert unknown_street.organisation_id == "420500:water"


def test_a_kind_that_nobody_is_named_for_goes_to_who_commands(policies: NotificationPolicies) -> None:
    unit = policies.routing.disposing("420502", "work_safety", "incident", TODAY)
    assert (unit.organisation_id, unit.basis) == ("420500:emergency", "command:420500")
    assert policies.routing.disposing("420502", "all", "feed", TODAY).basis == "government:420500"


@pytest.mark.case("engineer.7")
def test_a_new_kind_of_risk_goes_to_the_department_that_owns_it() -> None:
    """Without a row of responsibility: whose feed registers the objects, where the city has that department."""
    owners = {("lifeline", "ropeway"): "transport", ("lifeline", "ice_rink"): "sports", ("lifeline", "gas"): "urban"}
    policies = load_notification_policies(*seed_folders(PROJECT), owners=owners)

    def unit(subdomain: str) -> tuple[str, str]:
        found = policies.routing.disposing("420502001", "lifeline", subdomain, TODAY)
        assert found.duty_phone
        return found.organisation_id, found.basis

    assert unit("ropeway") == ("420500:transport", "owner:420500")
    assert unit("ice_rink")[1] != "owner:420500"  # a department that the city does not have
    assert unit("gas") == ("420500:housing", "dispose:420500")  # a row comes first


def test_a_nearer_and_newer_row_wins(policies: NotificationPolicies) -> None:
    def duty(area: str, organisation: str, valid_from: str, valid_to: str = "") -> dict[str, str]:
        return {
            "area_code": area,
            "domain": "natural_hazard",
            "risk_type": "flood",
            "role": "dispose",
            "organisation_id": organisation,
            "valid_from": valid_from,
            "valid_to": valid_to,
        }

    duties = [
        duty("420500", "420500:water", "2021-01-01"),
        duty("420502", "420502", "2024-01-01", "2025-12-31"),
        duty("420500", "420500:emergency", "2026-01-01"),
    ]
    routing = Routing(rows("areas"), rows("organisations"), duties, rows("alerting/contacts"))

    def unit(area: str, on: date) -> str:
        return routing.disposing(area, "natural_hazard", "flood", on).organisation_id

    assert unit("420502001", date(2025, 6, 1)) == "420502"
    assert unit("420503", date(2025, 6, 1)) == "420500:water"
    assert unit("420502001", TODAY) == "420500:emergency"


def test_all_six_roles_are_named(policies: NotificationPolicies) -> None:
    named = {role: policies.routing.named(role, "520302", "lifeline", "gas", TODAY) for role in ROLES}
    assert len(named) == 6
    assert all(named.values())


def test_an_area_of_no_known_city_is_refused(policies: NotificationPolicies) -> None:
    with pytest.raises(RoutingError, match="'990000' lies in none of the cities"):
        policies.routing.disposing("990000", "lifeline", "gas", TODAY)


def test_who_issues_follows_the_law(policies: NotificationPolicies) -> None:
    assert policies.routing.issuer("420502001", "") == ("西陵区人民政府", "People's Government of Xiling District")
    assert policies.routing.issuer("420502001", "weather")[0] == "宜昌市气象局"
    assert policies.routing.issuer("420500", "")[0] == "宜昌市人民政府"


def test_every_kind_and_colour_has_a_guide_in_both_languages() -> None:
    guides = Guides(rows("alerting/handling_guides"))
    own = 0
    for domain, subdomain in kinds():
        for colour in ("red", "orange", "yellow", "blue"):
            guide = guides.of(domain, subdomain, colour)
            assert guide.measures_zh
            assert guide.measures_en
            assert guide.evidence_grade
            own += guide.guide_id == f"{subdomain}_{colour}"
    assert own >= 80
    assert guides.of("lifeline", "something new", "red").guide_id == "lifeline_any_red"


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotificationPolicyError, match=r"no areas\.csv in "):
        load_notification_policies(tmp_path)


def test_inhibitions_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "inhibitions.csv"
    text = table_of(PROJECT, "inhibitions.csv").read_text("utf-8")
    path.write_text(text.replace(",object_id,", ",object,", 1), "utf-8")
    with pytest.raises(
        NotificationPolicyError, match=r"inhibitions.csv: \w+: equal_labels has 'object'; expected of rule_id,"
    ):
        load_notification_policies(tmp_path, *seed_folders(PROJECT))
