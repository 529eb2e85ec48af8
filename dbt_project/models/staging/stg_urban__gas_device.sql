-- One row per detector and the place it watches; newest row of each key. Gas detectors (燃气监测设备).
-- A register: every live file is read.
-- Derived from the contract of urban.gas_device by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'urban__gas_device') }}
{%- set columns = {
  'space_id': 'string',
  'device_id': 'string',
  'name_zh': 'string',
  'space_type': 'string',
  'operator_name': 'string',
  'gateway_id': 'string',
  'area_code': 'string',
  'lon': 'number',
  'lat': 'number',
  'people_nearby': 'integer',
  'installed_on': 'date',
} %}

with landed as (
  {{ landed('urban.gas_device', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['space_id']) }}
)

select
  space_id,
  device_id,
  name_zh,
  space_type,
  operator_name,
  gateway_id,
  area_code,
  lon,
  lat,
  people_nearby,
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
