-- One row per inspection; newest row of each key. Daily fire inspections (消防巡查).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of fire.inspection by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'fire__inspection') }}
{%- set columns = {
  'inspection_id': 'string',
  'unit_id': 'string',
  'inspected_at': 'timestamp',
  'item': 'string',
  'result': 'string',
  'findings': 'integer',
  'rectified_at': 'timestamp',
  'due_on': 'date',
  'inspector_name_hash': 'string',
  'recorded_at': 'timestamp',
} %}

with landed as (
  {{ landed('fire.inspection', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['inspection_id']) }}
)

select
  inspection_id,
  unit_id,
  inspected_at,
  item,
  result,
  findings,
  rectified_at,
  due_on,
  inspector_name_hash,
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
