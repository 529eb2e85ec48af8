-- One row per outfall; newest row of each key. Monitored outfalls (污染源排放口).
-- A register: every live file is read.
-- Derived from the contract of ecology.outfall by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'ecology__outfall') }}
{%- set columns = {
  'outfall_id': 'string',
  'device_id': 'string',
  'name_zh': 'string',
  'enterprise_name': 'string',
  'credit_code': 'string',
  'area_code': 'string',
  'lon': 'number',
  'lat': 'number',
  'receiving_water': 'string',
  'cod_limit_mg_l': 'number',
  'nh3_n_limit_mg_l': 'number',
  'ph_min': 'number',
  'ph_max': 'number',
  'installed_on': 'date',
} %}

with landed as (
  {{ landed('ecology.outfall', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['outfall_id']) }}
)

select
  outfall_id,
  device_id,
  name_zh,
  enterprise_name,
  credit_code,
  area_code,
  lon,
  lat,
  receiving_water,
  cod_limit_mg_l,
  nh3_n_limit_mg_l,
  ph_min,
  ph_max,
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
