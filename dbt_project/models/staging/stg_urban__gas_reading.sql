-- One row per detector and time; newest row of each key. Gas detector readings (燃气监测读数).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of urban.gas_reading by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'urban__gas_reading') }}
{%- set columns = {
  'device_id': 'string',
  'observed_at': 'timestamp',
  'methane_pct_lel': 'number',
  'methane_pct_vol': 'number',
  'gas_pressure_kpa': 'number',
  'air_temperature_c': 'number',
  'quality_flag': 'string',
} %}

with landed as (
  {{ landed('urban.gas_reading', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['device_id', 'observed_at']) }}
)

select
  device_id,
  observed_at,
  methane_pct_lel,
  methane_pct_vol,
  gas_pressure_kpa,
  air_temperature_c,
  quality_flag,
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
