-- One row per state or operation that a unit sent; newest row of each key. Fire alarm states (消防报警与状态).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of fire.device_state by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'fire__device_state') }}
{%- set columns = {
  'state_key': 'string',
  'device_id': 'string',
  'part_id': 'string',
  'observed_at': 'timestamp',
  'sent_at': 'timestamp',
  'event_kind': 'string',
  'part_type': 'string',
  'system_type': 'string',
  'system_no': 'integer',
  'loop_no': 'integer',
  'part_no': 'integer',
  'place_zh': 'string',
  'state_bits': 'integer',
  'fire': 'boolean',
  'fault': 'boolean',
  'shielded': 'boolean',
  'supervised': 'boolean',
  'started': 'boolean',
  'feedback': 'boolean',
  'is_reset': 'boolean',
} %}

with landed as (
  {{ landed('fire.device_state', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['state_key']) }}
)

select
  state_key,
  device_id,
  part_id,
  observed_at,
  sent_at,
  event_kind,
  part_type,
  system_type,
  system_no,
  loop_no,
  part_no,
  place_zh,
  state_bits,
  fire,
  fault,
  shielded,
  supervised,
  started,
  feedback,
  is_reset,
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
