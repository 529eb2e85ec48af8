-- One row per transmission unit or sensor; newest row of each key. Fire transmission units and their sensors (消防物联设备).
-- A register: every live file is read.
-- Derived from the contract of fire.device by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'fire__device') }}
{%- set columns = {
  'device_id': 'string',
  'gateway_id': 'string',
  'device_kind': 'string',
  'unit_id': 'string',
  'name_zh': 'string',
  'pressure_min_mpa': 'number',
  'lon': 'number',
  'lat': 'number',
  'installed_on': 'date',
  'updated_at': 'timestamp',
} %}

with landed as (
  {{ landed('fire.device', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['device_id']) }}
)

select
  device_id,
  gateway_id,
  device_kind,
  unit_id,
  name_zh,
  pressure_min_mpa,
  lon,
  lat,
  installed_on,
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
