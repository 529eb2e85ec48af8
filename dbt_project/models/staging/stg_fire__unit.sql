-- One row per unit; newest row of each key. Key fire units (消防重点单位).
-- A register: every live file is read.
-- Derived from the contract of fire.unit by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'fire__unit') }}
{%- set columns = {
  'unit_id': 'string',
  'name_zh': 'string',
  'credit_code': 'string',
  'unit_type': 'string',
  'fire_grade': 'string',
  'area_code': 'string',
  'address': 'string',
  'lon': 'number',
  'lat': 'number',
  'building_height_m': 'number',
  'floor_area_m2': 'number',
  'occupants': 'integer',
  'facilities_intact_pct': 'number',
  'manager_name_hash': 'string',
  'manager_phone_hash': 'string',
  'built_on': 'date',
  'updated_at': 'timestamp',
} %}

with landed as (
  {{ landed('fire.unit', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['unit_id']) }}
)

select
  unit_id,
  name_zh,
  credit_code,
  unit_type,
  fire_grade,
  area_code,
  address,
  lon,
  lat,
  building_height_m,
  floor_area_m2,
  occupants,
  facilities_intact_pct,
  manager_name_hash,
  manager_phone_hash,
  built_on,
  updated_at,
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
