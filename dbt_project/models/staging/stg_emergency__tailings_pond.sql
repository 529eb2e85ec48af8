-- One row per pond; newest row of each key. Tailings ponds (尾矿库).
-- A register: every live file is read.
-- Derived from the contract of emergency.tailings_pond by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'emergency__tailings_pond') }}
{%- set columns = {
  'pond_id': 'string',
  'name_zh': 'string',
  'enterprise_name': 'string',
  'credit_code': 'string',
  'area_code': 'string',
  'pond_class': 'string',
  'dam_height_m': 'number',
  'capacity_10k_m3': 'number',
  'dry_beach_min_m': 'number',
  'pool_level_max_m': 'number',
  'people_downstream': 'integer',
  'built_on': 'date',
  'geometry_wkt': 'string',
} %}

with landed as (
  {{ landed('emergency.tailings_pond', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['pond_id']) }}
)

select
  pond_id,
  name_zh,
  enterprise_name,
  credit_code,
  area_code,
  pond_class,
  dam_height_m,
  capacity_10k_m3,
  dry_beach_min_m,
  pool_level_max_m,
  people_downstream,
  built_on,
  geometry_wkt,
  _batch_id,
  _row,
  _received_at,
  _flags,
  _extra,
  _area_code,
  _lon,
  _lat,
  landed_on
from latest
