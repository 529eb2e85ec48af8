-- One row per point and time; newest row of each key. Tailings pond sensors, live (尾矿库实时监测).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of emergency.tailings_sensor by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'emergency__tailings_sensor') }}
{%- set columns = {
  'point_id': 'string',
  'observed_at': 'timestamp',
  'dry_beach_m': 'number',
  'phreatic_depth_m': 'number',
  'pore_pressure_kpa': 'number',
  'surface_displacement_mm': 'number',
  'pool_level_m': 'number',
  'rain_1h_mm': 'number',
  'quality_flag': 'string',
} %}

with landed as (
  {{ landed('emergency.tailings_sensor', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['point_id', 'observed_at']) }}
)

select
  point_id,
  observed_at,
  dry_beach_m,
  phreatic_depth_m,
  pore_pressure_kpa,
  surface_displacement_mm,
  pool_level_m,
  rain_1h_mm,
  quality_flag,
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
