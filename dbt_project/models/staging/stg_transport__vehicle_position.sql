-- One row per terminal and time; newest row of each key. Vehicle positions (车辆定位).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of transport.vehicle_position by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'transport__vehicle_position') }}
{%- set columns = {
  'device_id': 'string',
  'observed_at': 'timestamp',
  'lon': 'number',
  'lat': 'number',
  'speed_kmh': 'number',
  'direction_deg': 'number',
  'alarm_bits': 'integer',
  'acc_on': 'boolean',
  'is_backfill': 'boolean',
} %}

with landed as (
  {{ landed('transport.vehicle_position', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['device_id', 'observed_at']) }}
)

select
  device_id,
  observed_at,
  lon,
  lat,
  speed_kmh,
  direction_deg,
  alarm_bits,
  acc_on,
  is_backfill,
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
