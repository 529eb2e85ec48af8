-- No device, metric and time stands twice in core.reading.
-- Within a feed the staging key says so; only a device and metric that two feeds report on one day need a look.
with shared as (
  select
    device_id,
    metric,
    landed_on
  from {{ ref('device_day') }}
  group by device_id, metric, landed_on
  having count(*) > 1
)

select
  reading.device_id,
  reading.metric,
  reading.observed_at,
  count(*) as n
from {{ ref('reading') }} as reading
inner join shared
  on reading.device_id = shared.device_id
  and reading.metric = shared.metric
  and reading.landed_on = shared.landed_on
group by reading.device_id, reading.metric, reading.observed_at
having count(*) > 1
limit 100
