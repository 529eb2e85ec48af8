-- One row per lift; newest row of each key. Elevators (电梯).
-- A register: every live file is read.
-- Derived from the contract of market.elevator by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'market__elevator') }}
{%- set columns = {
  'elevator_id': 'string',
  'registration_no': 'string',
  'name_zh': 'string',
  'elevator_type': 'string',
  'user_name': 'string',
  'credit_code': 'string',
  'address': 'string',
  'area_code': 'string',
  'lon': 'number',
  'lat': 'number',
  'floors': 'integer',
  'rated_load_kg': 'number',
  'rated_speed_m_s': 'number',
  'built_on': 'date',
  'last_inspected_on': 'date',
  'inspection_due_on': 'date',
  'trapped_12m': 'integer',
  'maintainer_phone_hash': 'string',
} %}

with landed as (
  {{ landed('market.elevator', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['elevator_id']) }}
)

select
  elevator_id,
  registration_no,
  name_zh,
  elevator_type,
  user_name,
  credit_code,
  address,
  area_code,
  lon,
  lat,
  floors,
  rated_load_kg,
  rated_speed_m_s,
  built_on,
  last_inspected_on,
  inspection_due_on,
  trapped_12m,
  maintainer_phone_hash,
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
