-- One row per station; newest row of each key. Hydrological stations (水文监测站).
-- A register: every live file is read.
-- Derived from the contract of water.station by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'water__station') }}
{%- set columns = {
  'station_id': 'string',
  'device_id': 'string',
  'name_zh': 'string',
  'station_type': 'string',
  'river_name': 'string',
  'area_code': 'string',
  'lon': 'number',
  'lat': 'number',
  'warning_level_m': 'number',
  'guarantee_level_m': 'number',
  'historical_max_level_m': 'number',
  'installed_on': 'date',
} %}

with landed as (
  {{ landed('water.station', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['station_id']) }}
)

select
  station_id,
  device_id,
  name_zh,
  station_type,
  river_name,
  area_code,
  lon,
  lat,
  warning_level_m,
  guarantee_level_m,
  historical_max_level_m,
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
