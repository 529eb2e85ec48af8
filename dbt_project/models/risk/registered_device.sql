-- One row per computed day and device that a register had at the end of it, with the subject that it measures: the object
-- at which it stood, or itself.
select
  risk_day.as_of_date,
  risk_day.method_version,
  device.device_id,
  coalesce(device.object_id, device.device_id) as subject_id,
  device.domain,
  coalesce(device.area_code, objects.area_code) as area_code
from {{ ref('risk_day') }} as risk_day
cross join {{ this_build() }} as build
inner join {{ ref('device_version') }} as device on {{ holds_on('device', 'risk_day', 'build') }}
left join {{ ref('latest_object') }} as objects on device.object_id = objects.object_id
