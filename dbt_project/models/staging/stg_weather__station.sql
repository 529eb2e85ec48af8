-- One row per station; newest row of each key. Weather stations (气象站).
-- A register: every live file is read.
-- Derived from the contract of weather.station by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'weather__station') }}
{%- set columns = {
  'station_id': 'string',
  'name_zh': 'string',
  'station_type': 'string',
  'area_code': 'string',
  'lon': 'number',
  'lat': 'number',
  'elevation_m': 'number',
  'installed_on': 'date',
} %}

with landed as (
  {{ landed('weather.station', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['station_id']) }}
)

select
  station_id,
  name_zh,
  station_type,
  area_code,
  lon,
  lat,
  elevation_m,
  installed_on,
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
