-- One row per monitor and time; newest row of each key. Dust and noise readings (工地扬尘噪声读数).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of housing.dust_reading by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'housing__dust_reading') }}
{%- set columns = {
  'device_id': 'string',
  'observed_at': 'timestamp',
  'transmitted_at': 'timestamp',
  'pm10_ug_m3': 'number',
  'pm2_5_ug_m3': 'number',
  'tsp_ug_m3': 'number',
  'noise_db': 'number',
  'quality_flag': 'string',
} %}

with landed as (
  {{ landed('housing.dust_reading', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['device_id', 'observed_at']) }}
)

select
  device_id,
  observed_at,
  transmitted_at,
  pm10_ug_m3,
  pm2_5_ug_m3,
  tsp_ug_m3,
  noise_db,
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
