-- One row per sensor and time; newest row of each key. Electrical fire and fire water readings (电气火灾与消防水监测读数).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of fire.device_reading by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'fire__device_reading') }}
{%- set columns = {
  'device_id': 'string',
  'observed_at': 'timestamp',
  'sent_at': 'timestamp',
  'unit_address': 'string',
  'part_type': 'string',
  'residual_current_ma': 'number',
  'cable_temperature_c': 'number',
  'water_pressure_mpa': 'number',
} %}

with landed as (
  {{ landed('fire.device_reading', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['device_id', 'observed_at']) }}
)

select
  device_id,
  observed_at,
  sent_at,
  unit_address,
  part_type,
  residual_current_ma,
  cable_temperature_c,
  water_pressure_mpa,
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
