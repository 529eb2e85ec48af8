-- Every device and metric that readings name is known, and no reading stands outside the day tables.
-- Looked at through core.device_day, which has one row for each device, metric and day.
select
  days.device_id,
  days.metric,
  'unknown device or metric' as problem
from {{ ref('device_day') }} as days
left join {{ ref('device') }} as device on days.device_id = device.device_id
left join {{ ref('metric') }} as metric on days.metric = metric.metric
where device.device_id is null or metric.metric is null
limit 100
