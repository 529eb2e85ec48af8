-- One row per warning message; newest row of each key. Weather warning signals (气象预警).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of weather.warning by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'weather__warning') }}
{%- set columns = {
  'warning_id': 'string',
  'message_type': 'string',
  'signal_type': 'string',
  'colour': 'string',
  'headline_zh': 'string',
  'text_zh': 'string',
  'sender': 'string',
  'area_code': 'string',
  'area_name': 'string',
  'sent_at': 'timestamp',
  'effective_at': 'timestamp',
  'expires_at': 'timestamp',
  'referenced_ids': 'string',
} %}

with landed as (
  {{ landed('weather.warning', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['warning_id']) }}
)

select
  warning_id,
  message_type,
  signal_type,
  colour,
  headline_zh,
  text_zh,
  sender,
  area_code,
  area_name,
  sent_at,
  effective_at,
  expires_at,
  referenced_ids,
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
