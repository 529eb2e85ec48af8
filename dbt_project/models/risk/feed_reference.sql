-- One row per computed day and feed of facts: the newest day up to it that the feed has data for.
-- Windows end there and not at the computed day, so that a quiet feed neither calms nor alarms the city.
select
  risk_day.as_of_date,
  risk_day.method_version,
  feed_day.feed_id,
  max(feed_day.landed_on) as reference_on,
  max(feed_day.last_observed_at) as last_observed_at
from {{ ref('risk_day') }} as risk_day
inner join {{ ref('feed_day') }} as feed_day on feed_day.landed_on <= risk_day.as_of_date
group by risk_day.as_of_date, risk_day.method_version, feed_day.feed_id
