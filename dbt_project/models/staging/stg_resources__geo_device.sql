-- One row per device; newest row of each key. Geological monitoring devices (地质灾害监测设备).
-- A register: every live file is read.
-- Derived from the contract of resources.geo_device by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'resources__geo_device') }}
{%- set columns = {
  'device_id': 'string',
  'point_id': 'string',
  'device_class': 'string',
  'device_type': 'string',
  'lon': 'number',
  'lat': 'number',
  'installed_on': 'date',
  'updated_at': 'timestamp',
} %}

with landed as (
  {{ landed('resources.geo_device', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['device_id']) }}
)

select
  device_id,
  point_id,
  device_class,
  device_type,
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
