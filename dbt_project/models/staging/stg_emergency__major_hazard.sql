-- One row per hazard unit and substance; newest row of each key. Major hazard installations with substances (重大危险源).
-- A register: every live file is read.
-- Derived from the contract of emergency.major_hazard by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'emergency__major_hazard') }}
{%- set columns = {
  'unit_id': 'string',
  'cas_no': 'string',
  'name_zh': 'string',
  'unit_type': 'string',
  'enterprise_name': 'string',
  'credit_code': 'string',
  'address': 'string',
  'area_code': 'string',
  'lon': 'number',
  'lat': 'number',
  'exposed_people': 'integer',
  'grade_declared': 'string',
  'substance_name_zh': 'string',
  'hazard_class': 'string',
  'design_max_t': 'number',
  'is_online': 'boolean',
  'promise_on': 'date',
  'responsible_name_hash': 'string',
  'responsible_phone_hash': 'string',
} %}

with landed as (
  {{ landed('emergency.major_hazard', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['unit_id', 'cas_no']) }}
)

select
  unit_id,
  cas_no,
  name_zh,
  unit_type,
  enterprise_name,
  credit_code,
  address,
  area_code,
  lon,
  lat,
  exposed_people,
  grade_declared,
  substance_name_zh,
  hazard_class,
  design_max_t,
  is_online,
  promise_on,
  responsible_name_hash,
  responsible_phone_hash,
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
