-- One row per passage; newest row of each key. Gate attendance of key posts (工地考勤).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of housing.attendance by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'housing__attendance') }}
{%- set columns = {
  'record_id': 'string',
  'site_id': 'string',
  'person_name_hash': 'string',
  'person_id_no_hash': 'string',
  'post': 'string',
  'direction': 'string',
  'certificate_no_hash': 'string',
  'certificate_expires_on': 'date',
  'passed_at': 'timestamp',
  'recorded_at': 'timestamp',
} %}

with landed as (
  {{ landed('housing.attendance', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['record_id']) }}
)

select
  record_id,
  site_id,
  person_name_hash,
  person_id_no_hash,
  post,
  direction,
  certificate_no_hash,
  certificate_expires_on,
  passed_at,
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
