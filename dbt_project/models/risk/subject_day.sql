-- One row per computed day and thing whose risk is computed on it, as the registers had it at the end of that day: every
-- risk object, and every registered device that stands for itself (a weather station measures its surroundings and
-- belongs to no object). Objects of a subdomain that the day's method does not weigh have no computed risk: rules watch
-- them, and a neutral score would say what nobody knows.
with days as (
  select risk_day.*, weights.parent as domain, weights.factor as subdomain
  from {{ ref('risk_day') }} as risk_day
  inner join {{ ref('risk_factor_weights') }} as weights
    on weights.level = 'subdomain' and risk_day.method_version = weights.method_version
)

select
  objects.object_id as subject_id,
  days.as_of_date,
  days.method_version,
  objects.domain,
  objects.subdomain,
  objects.object_type,
  objects.object_subtype,
  coalesce(objects.name_zh, split_part(objects.object_id, ':', 2)) as name_zh,
  coalesce(objects.name_en, objects.name_zh, split_part(objects.object_id, ':', 2)) as name_en,
  objects.area_code,
  objects.people,
  objects.built_on,
  objects.status,
  objects.grade,
  objects.attributes,
  {{ beijing_date('objects.received_at') }} as received_on,
  true as is_object
from days
cross join {{ this_build() }} as build
inner join {{ ref('object_version') }} as objects
  on
    days.domain = objects.domain
    and days.subdomain = objects.subdomain
    and {{ holds_on('objects', 'days', 'build') }}
union all
select
  device.device_id as subject_id,
  days.as_of_date,
  days.method_version,
  device.domain,
  device.subdomain,
  coalesce(kinds.device_type, 'device') as object_type,
  cast(null as {{ sql_type('string') }}) as object_subtype,
  coalesce(device.name_zh, device.device_id) as name_zh,
  coalesce(device.name_zh, device.device_id) as name_en,
  device.area_code,
  cast(null as {{ sql_type('integer') }}) as people,
  cast(null as {{ sql_type('date') }}) as built_on,
  cast(null as {{ sql_type('string') }}) as status,
  cast(null as {{ sql_type('string') }}) as grade,
  device.attributes,
  days.as_of_date as received_on,
  false as is_object
from days
cross join {{ this_build() }} as build
inner join {{ ref('device_version') }} as device
  on
    days.domain = device.domain
    and days.subdomain = device.subdomain
    and {{ holds_on('device', 'days', 'build') }}
left join {{ ref('device_kinds') }} as kinds on device.feed_id = kinds.feed_id
where device.object_id is null
