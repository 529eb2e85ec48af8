-- One row per sensor station and its compartment; newest row of each key. Utility tunnel sensors (综合管廊监测设备).
-- A register: every live file is read.
-- Derived from the contract of urban.tunnel_device by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'urban__tunnel_device') }}
{%- set columns = {
  'compartment_id': 'string',
  'device_id': 'string',
  'name_zh': 'string',
  'compartment_type': 'string',
  'operator_name': 'string',
  'humidity_limit_pct': 'number',
  'sump_limit_m': 'number',
  'gateway_id': 'string',
  'area_code': 'string',
  'lon': 'number',
  'lat': 'number',
  'installed_on': 'date',
} %}

with landed as (
  {{ landed('urban.tunnel_device', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['compartment_id']) }}
)

select
  compartment_id,
  device_id,
  name_zh,
  compartment_type,
  operator_name,
  humidity_limit_pct,
  sump_limit_m,
  gateway_id,
  area_code,
  lon,
  lat,
  installed_on,
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
