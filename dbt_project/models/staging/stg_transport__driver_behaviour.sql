-- One row per alarm of a terminal; newest row of each key. Driver behaviour alarms (驾驶行为报警).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of transport.driver_behaviour by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'transport__driver_behaviour') }}
{%- set columns = {
  'alarm_key': 'string',
  'device_id': 'string',
  'observed_at': 'timestamp',
  'behaviour': 'string',
  'source': 'string',
  'phase': 'string',
  'level': 'integer',
  'fatigue_degree': 'integer',
  'lon': 'number',
  'lat': 'number',
  'vehicle_speed_kmh': 'number',
  'is_backfill': 'boolean',
} %}

with landed as (
  {{ landed('transport.driver_behaviour', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['alarm_key']) }}
)

select
  alarm_key,
  device_id,
  observed_at,
  behaviour,
  source,
  phase,
  level,
  fatigue_degree,
  lon,
  lat,
  vehicle_speed_kmh,
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
