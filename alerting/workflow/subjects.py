"""What a change of an episode is about: the object's name and place, the rule's words and kind of risk.

From the rules and registers as they stand; what neither knows is named by its id and placed in the home's city, so that
a breach is told even where a register lags behind. Pure.
"""

from __future__ import annotations

from collections import Counter

from alerting.engine.episode import EpisodeChange
from alerting.engine.rule import Rule, RuleSet
from alerting.engine.world import Registry
from alerting.lifecycle.joining import Subject
from alerting.policy.routing import Routing


class Subjects:
    """Looks up subjects for one set of rules and registers."""

    def __init__(self, ruleset: RuleSet, registry: Registry, routing: Routing, city_code: str) -> None:
        self._ruleset, self._registry, self._routing, self._city_code = ruleset, registry, routing, city_code

    def __call__(self, change: EpisodeChange) -> Subject:
        """The subject of a change."""
        rule = self._ruleset.by_id.get(change.rule_id)
        risk = self._risk(change) or rule
        assets = [
            *(self._registry.objects.get(key) for key in (change.object_id,)),
            *(self._registry.devices.get(key or "") for key in (change.object_id, change.device_id)),
        ]
        known = [asset for asset in assets if asset is not None]
        area_code, area_name = self._area(change)
        return Subject(
            domain=risk.domain if risk else "all",
            subdomain=risk.subdomain if risk else "any",
            object_type=next((asset.object_type for asset in known if asset.object_type), None)
            or (rule.object_type if rule else "object"),
            object_name_zh=next((asset.name_zh for asset in known if asset.name_zh), None)
            or area_name
            or change.object_id.partition(":")[2]  # what has no name goes by the id that its department gave it
            or change.object_id,
            area_code=area_code,
            lon=change.lon,
            lat=change.lat,
            matter_zh=rule.name_zh if rule else change.rule_id,
            matter_en=rule.name_en if rule else change.rule_id,
        )

    def _risk(self, change: EpisodeChange) -> Rule | None:
        """The rule whose kind of risk it is, where it stands under its sender: the broken one, or one of its feed."""
        broken, feed_id = change.details.get("of_rule"), change.details.get("of_feed")
        if broken is None and feed_id is None:
            return None
        return next((r for r in self._ruleset.rules if r.rule_id == broken or feed_id in r.feeds), None)

    def _area(self, change: EpisodeChange) -> tuple[str, str | None]:
        """The area of a change, and its name when the change is about the area itself."""
        is_group = change.object_id == change.passed_on_by  # of a feed in one county: it goes by the county's name
        own_code = change.object_id.rpartition(":")[2] if is_group else change.object_id
        itself = self._routing.areas.get(own_code)
        for code in (change.area_code, own_code if itself else None):
            if code and next(self._routing.upwards(code), None):
                return code, itself["name_zh"] if itself else None
        return self._city_code, None


def city_of(registry: Registry, routing: Routing, default: str) -> str:
    """The city that most objects lie in."""
    prefixes = Counter(asset.area_code[:4] for asset in registry.objects.values() if asset.area_code)
    for prefix, _ in prefixes.most_common():
        cities = [code for code, row in routing.organisations.items() if row["kind"] == "government"]
        found = next((code for code in cities if code.startswith(prefix)), None)
        if found:
            return found
    return default
