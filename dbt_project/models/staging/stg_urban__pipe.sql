-- One row per pipe segment; newest row of each key. Underground pipes (地下管线).
-- A register: every live file is read.
-- Derived from the contract of urban.pipe by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'urban__pipe') }}
{%- set columns = {
  'pipe_id': 'string',
  'pipe_class': 'string',
  'pipe_subclass': 'string',
  'material': 'string',
  'diameter_mm': 'number',
  'depth_m': 'number',
  'design_pressure_kpa': 'number',
  'length_m': 'number',
  'owner_name': 'string',
  'area_code': 'string',
  'built_on': 'date',
  'status': 'string',
  'geometry_wkt': 'string',
} %}

with landed as (
  {{ landed('urban.pipe', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['pipe_id']) }}
)

select
  pipe_id,
  pipe_class,
  pipe_subclass,
  material,
  diameter_mm,
  depth_m,
  design_pressure_kpa,
  length_m,
  owner_name,
  area_code,
  built_on,
  status,
  geometry_wkt,
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
