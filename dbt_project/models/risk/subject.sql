-- One row per thing whose risk is computed: every risk object, and every registered device that stands for itself
-- (a weather station measures its surroundings and belongs to no object). Objects of a subdomain that no version of
-- the method weighs have no computed risk: rules watch them, and a neutral score would say what nobody knows.
{{ config(materialized='view') }}
with weighed as (
  select parent as domain, factor as subdomain
  from {{ ref('risk_factor_weights') }}
  where level = 'subdomain'
)

select
  object_id as subject_id,
  domain,
  subdomain,
  object_type,
  object_subtype,
  name_zh,
  coalesce(name_en, name_zh) as name_en,
  area_code,
  people,
  built_on,
  status,
  grade,
  attributes,
  feed_id,
  {{ beijing_date('received_at') }} as received_on,
  true as is_object
from {{ ref('risk_object') }}
where (domain, subdomain) in (select domain, subdomain from weighed)
union all
select
  device.device_id as subject_id,
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
  device.feed_id,
  {{ as_of_date() }} as received_on,
  false as is_object
from {{ ref('device') }} as device
left join {{ ref('device_kinds') }} as kinds on device.feed_id = kinds.feed_id
where device.object_id is null and device.is_registered
