-- One row per feed, day, device and metric: the values of days that are over, and as the day of the build the 24 hours up
-- to the newest reading of the feed. A device that is quiet so long has no row there; what it said before stands in its
-- own day.
{{ config(materialized='view') }}
with newest as (
  select feed_id, max(last_observed_at) as last_observed_at
  from {{ ref('device_day') }}
  where landed_on = {{ as_of_date() }}
  group by feed_id
)

select feed_id, landed_on, device_id, metric, min_value, max_value, range_value, hour_sum
from {{ ref('device_value_day') }}
where landed_on < {{ as_of_date() }}
union all
select
  hourly.feed_id,
  {{ as_of_date() }} as landed_on,
  hourly.device_id,
  hourly.metric,
  min(hourly.min_value) as min_value,
  max(hourly.max_value) as max_value,
  max(hourly.max_value) - min(hourly.min_value) as range_value,
  sum(hourly.mean_value) as hour_sum
from newest
inner join {{ ref('reading_hour') }} as hourly
  on
    newest.feed_id = hourly.feed_id
    and hourly.landed_on between {{ days_later(as_of_date(), -1) }} and {{ as_of_date() }}
    and hourly.hour > {{ seconds_later(hour_of('newest.last_observed_at'), -86400) }}
where hourly.mean_value is not null
group by hourly.feed_id, hourly.device_id, hourly.metric
