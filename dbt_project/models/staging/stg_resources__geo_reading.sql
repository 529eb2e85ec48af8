-- One row per device and hour; newest row of each key. Geological device readings (地质灾害监测数据).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of resources.geo_reading by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'resources__geo_reading') }}
{%- set columns = {
  'device_id': 'string',
  'observed_at': 'timestamp',
  'displacement_mm': 'number',
  'crack_width_mm': 'number',
  'tilt_deg': 'number',
  'rain_1h_mm': 'number',
  'soil_moisture_pct': 'number',
  'battery_v': 'number',
  'quality_flag': 'string',
  'recorded_at': 'timestamp',
} %}

with landed as (
  {{ landed('resources.geo_reading', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['device_id', 'observed_at']) }}
)

select
  device_id,
  observed_at,
  displacement_mm,
  crack_width_mm,
  tilt_deg,
  rain_1h_mm,
  soil_moisture_pct,
  battery_v,
  quality_flag,
  recorded_at,
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
