-- One row per change of an alert: what happened, who did it or what caused it, and why.
select
  changes.event_id,
  changes.alert_id,
  changes.kind,
  changes.from_state,
  changes.to_state,
  changes.colour,
  changes.value,
  changes.reason,
  changes.actor,
  changes.at as happened_at,
  changes.known_at,
  changes.episode_id
from {{ ops('alert_event') }} as changes
