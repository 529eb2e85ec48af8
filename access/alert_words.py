"""Names beside alerts: counties, kinds of risk, units and sources; from the rules generation that is newest.

Not here: the alerts themselves (`access.alerts_view`).
"""

from __future__ import annotations

from access.alerts import policies_of
from access.serving import GenerationError, Home, NoGenerationError, open_mart
from alerting.policy.notification_policies import NotificationPolicies, NotificationPolicyError
from alerting.rules.generations import NoRulesError
from alerting.wording import Wording
from core.system import RISK_DOMAINS

ALERTED_DOMAINS = RISK_DOMAINS


def places(home: Home) -> dict[str, tuple[str, str | None]]:
    """Counties of the published city, before that those of the notification policies: code → (name_zh, name_en)."""
    try:
        with open_mart(home) as mart:
            frame = mart.frame(
                "select area_code, name_zh, name_en from mart.area where level = 'county'"
                " and area_code in (select area_code from mart.risk_index) order by 1"
            )
    except (NoGenerationError, GenerationError):
        policies = _policies_of(home)
        rows = sorted(policies.routing.areas.items()) if policies else []
        return {code: (row["name_zh"], row["name_en"] or None) for code, row in rows if row["level"] == "county"}
    return {code: (zh, en) for code, zh, en in frame.iter_rows()}


def event_kinds(home: Home) -> dict[tuple[str, str], tuple[str, str]]:
    """What can be entered by hand: (domain, subdomain) → (name_zh, name_en), from the handling guides.

    Empty while the home has no rules generation.
    """
    policies = _policies_of(home)
    guides = policies.guides.kinds() if policies else {}
    return {kind: names for kind, names in guides.items() if kind[0] in ALERTED_DOMAINS}


def wording(home: Home) -> Wording:
    """How units and cited sources read in both languages; as cited while the home has no rules generation."""
    policies = _policies_of(home)
    return policies.wording if policies else Wording(())


def _policies_of(home: Home) -> NotificationPolicies | None:
    try:
        return policies_of(home)
    except (NoRulesError, NotificationPolicyError):
        return None
