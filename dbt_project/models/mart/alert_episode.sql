-- One row per episode: a stretch of time in which one rule held for one object. The rule engine computed it, live.
select
  episodes.episode_id,
  episodes.alert_id,
  alerts.rule_id,
  alerts.object_id,
  episodes.device_id,
  episodes.metric,
  episodes.colour,
  cast(episodes.severity_rank as integer) as severity_rank,
  episodes.state,
  episodes.value as worst_value,
  episodes.threshold,
  episodes.threshold_id,
  episodes.started_at,
  episodes.cleared_at,
  episodes.evidence,
  episodes.is_late,
  alerts.is_exercise
from {{ ops('alert_member') }} as episodes
inner join {{ ops('alert') }} as alerts on episodes.alert_id = alerts.alert_id
