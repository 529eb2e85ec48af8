-- One row per vehicle; newest row of each key. Key vehicles (重点营运车辆).
-- A register: every live file is read.
-- Derived from the contract of transport.vehicle by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'transport__vehicle') }}
{%- set columns = {
  'vehicle_id': 'string',
  'terminal_id': 'string',
  'terminal_edition': 'string',
  'name_zh': 'string',
  'plate_no_hash': 'string',
  'plate_colour': 'string',
  'vehicle_type': 'string',
  'firm_name': 'string',
  'credit_code': 'string',
  'area_code': 'string',
  'lon': 'number',
  'lat': 'number',
  'seats': 'integer',
  'speed_limit_kmh': 'number',
  'operating_status': 'string',
  'driver_name_hash': 'string',
  'driver_phone_hash': 'string',
  'driver_certificate_hash': 'string',
  'registered_on': 'date',
  'updated_at': 'timestamp',
} %}

with landed as (
  {{ landed('transport.vehicle', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['vehicle_id']) }}
)

select
  vehicle_id,
  terminal_id,
  terminal_edition,
  name_zh,
  plate_no_hash,
  plate_colour,
  vehicle_type,
  firm_name,
  credit_code,
  area_code,
  lon,
  lat,
  seats,
  speed_limit_kmh,
  operating_status,
  driver_name_hash,
  driver_phone_hash,
  driver_certificate_hash,
  registered_on,
  updated_at,
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
