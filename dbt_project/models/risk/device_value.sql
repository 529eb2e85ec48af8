-- One row per feed, day, device and metric: the values of days that are over, and as the day of the build the 24 hours up
-- to the newest reading of the feed. There stand the devices that spoke on that reading's day; one that is quiet longer
-- has what it said last in its own day, whole, so that its value does not sink while the window moves over it.
{{ config(materialized='view') }}
with newest as (
  select feed_id, max(landed_on) as landed_on, max(last_observed_at) as last_observed_at
  from {{ ref('device_day') }}
  where
    landed_on between {{ days_later(as_of_date(), -1) }} and {{ as_of_date() }}
    and last_observed_at > {{ seconds_later(as_of(), -86400) }}
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
inner join {{ ref('device_day') }} as spoke
  on newest.feed_id = spoke.feed_id and newest.landed_on = spoke.landed_on
inner join {{ ref('reading_hour') }} as hourly
  on
    spoke.feed_id = hourly.feed_id
    and spoke.device_id = hourly.device_id
    and spoke.metric = hourly.metric
    and hourly.landed_on between {{ days_later(as_of_date(), -2) }} and {{ as_of_date() }}
    and hourly.hour > {{ seconds_later(hour_of('newest.last_observed_at'), -86400) }}
where hourly.mean_value is not null
group by hourly.feed_id, hourly.device_id, hourly.metric
