-- One row per station and time; newest row of each key. River levels (河道水位).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of water.river_reading by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'water__river_reading') }}
{%- set columns = {
  'device_id': 'string',
  'observed_at': 'timestamp',
  'sent_at': 'timestamp',
  'level_m': 'number',
  'flow_m3_s': 'number',
  'battery_v': 'number',
} %}

with landed as (
  {{ landed('water.river_reading', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['device_id', 'observed_at']) }}
)

select
  device_id,
  observed_at,
  sent_at,
  level_m,
  flow_m3_s,
  battery_v,
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
