-- One row per computed day and feed of facts: the newest day up to it that the feed has data for.
-- Windows end there and not at the computed day, so that a quiet feed neither calms nor alarms the city: at the end of
-- that day, or with the feed's newest fact where the day is the one of the build, so that a build with nothing new says
-- the same again.
with newest as (
  select
    risk_day.as_of_date,
    risk_day.method_version,
    risk_day.is_today,
    feed_day.feed_id,
    max(feed_day.landed_on) as reference_on,
    max(feed_day.last_observed_at) as last_observed_at
  from {{ ref('risk_day') }} as risk_day
  inner join {{ ref('feed_day') }} as feed_day on feed_day.landed_on <= risk_day.as_of_date
  group by risk_day.as_of_date, risk_day.method_version, risk_day.is_today, feed_day.feed_id
)

select
  as_of_date,
  method_version,
  feed_id,
  reference_on,
  last_observed_at,
  case
    when is_today and reference_on = as_of_date then {{ seconds_later('last_observed_at', 1) }}
    else {{ beijing_midnight(days_later('reference_on', 1)) }}
  end as window_ends_at
from newest
