-- One row per hazard point; newest row of each key. Geological hazard points (地质灾害隐患点).
-- A register: every live file is read.
-- Derived from the contract of resources.geo_point by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'resources__geo_point') }}
{%- set columns = {
  'point_id': 'string',
  'name_zh': 'string',
  'hazard_type': 'string',
  'scale': 'string',
  'stability': 'string',
  'area_code': 'string',
  'lon': 'number',
  'lat': 'number',
  'households_threatened': 'integer',
  'people_threatened': 'integer',
  'property_threatened_10k_cny': 'number',
  'monitor_name_hash': 'string',
  'monitor_phone_hash': 'string',
  'registered_on': 'date',
} %}

with landed as (
  {{ landed('resources.geo_point', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['point_id']) }}
)

select
  point_id,
  name_zh,
  hazard_type,
  scale,
  stability,
  area_code,
  lon,
  lat,
  households_threatened,
  people_threatened,
  property_threatened_10k_cny,
  monitor_name_hash,
  monitor_phone_hash,
  registered_on,
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
