-- One row per feed of facts and Beijing day that has any.
with happened as (
  select feed_id, landed_on, n, last_observed_at as happened_at from {{ ref('device_day') }}
  union all
  select feed_id, landed_on, 1 as n, inspected_at as happened_at from {{ ref('inspection') }}
  union all
  select feed_id, landed_on, 1 as n, occurred_at as happened_at from {{ ref('event') }}
)

select
  feed_id,
  landed_on,
  sum(n) as n,
  max(happened_at) as last_observed_at
from happened
group by feed_id, landed_on
