-- One row per outfall and time; newest row of each key. Outfall readings (排放口监测读数).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of ecology.outfall_reading by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'ecology__outfall_reading') }}
{%- set columns = {
  'device_id': 'string',
  'observed_at': 'timestamp',
  'transmitted_at': 'timestamp',
  'cod_mg_l': 'number',
  'nh3_n_mg_l': 'number',
  'ph': 'number',
  'flow_l_s': 'number',
  'quality_flag': 'string',
} %}

with landed as (
  {{ landed('ecology.outfall_reading', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['device_id', 'observed_at']) }}
)

select
  device_id,
  observed_at,
  transmitted_at,
  cod_mg_l,
  nh3_n_mg_l,
  ph,
  flow_l_s,
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
