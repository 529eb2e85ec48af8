-- One row per monitor; newest row of each key. Dust and noise monitors (工地扬尘噪声监测设备).
-- A register: every live file is read.
-- Derived from the contract of housing.dust_monitor by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'housing__dust_monitor') }}
{%- set columns = {
  'device_id': 'string',
  'site_id': 'string',
  'name_zh': 'string',
  'lon': 'number',
  'lat': 'number',
  'installed_on': 'date',
  'updated_at': 'timestamp',
} %}

with landed as (
  {{ landed('housing.dust_monitor', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['device_id']) }}
)

select
  device_id,
  site_id,
  name_zh,
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
