-- One row per station and hour; newest row of each key. Weather observations (气象观测).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of weather.observation by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'weather__observation') }}
{%- set columns = {
  'station_id': 'string',
  'observed_at': 'timestamp',
  'transmitted_at': 'timestamp',
  'air_temperature_c': 'number',
  'rain_1h_mm': 'number',
  'wind_speed_m_s': 'number',
  'gust_speed_m_s': 'number',
  'air_pressure_hpa': 'number',
  'relative_humidity_pct': 'number',
  'visibility_m': 'number',
  'quality_flag': 'string',
} %}

with landed as (
  {{ landed('weather.observation', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['station_id', 'observed_at']) }}
)

select
  station_id,
  observed_at,
  transmitted_at,
  air_temperature_c,
  rain_1h_mm,
  wind_speed_m_s,
  gust_speed_m_s,
  air_pressure_hpa,
  relative_humidity_pct,
  visibility_m,
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
