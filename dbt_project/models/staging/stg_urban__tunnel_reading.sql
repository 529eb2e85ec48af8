-- One row per sensor station and time; newest row of each key. Utility tunnel readings (综合管廊监测读数).
-- Facts: only the days that this build calls affected, all files of them.
-- Derived from the contract of urban.tunnel_reading by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'urban__tunnel_reading') }}
{%- set columns = {
  'device_id': 'string',
  'observed_at': 'timestamp',
  'methane_pct_lel': 'number',
  'oxygen_pct_vol': 'number',
  'h2s_mg_m3': 'number',
  'air_temperature_c': 'number',
  'humidity_pct': 'number',
  'water_level_m': 'number',
  'quality_flag': 'string',
} %}

with landed as (
  {{ landed('urban.tunnel_reading', columns, is_register=False) }}
),

latest as (
  {{ latest_by_rare_key('landed', ['device_id', 'observed_at']) }}
)

select
  device_id,
  observed_at,
  methane_pct_lel,
  oxygen_pct_vol,
  h2s_mg_m3,
  air_temperature_c,
  humidity_pct,
  water_level_m,
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
