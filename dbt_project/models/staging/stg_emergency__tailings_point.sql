-- One row per monitoring point; newest row of each key. Tailings pond monitoring points (尾矿库测点).
-- A register: every live file is read.
-- Derived from the contract of emergency.tailings_point by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'emergency__tailings_point') }}
{%- set columns = {
  'point_id': 'string',
  'pond_id': 'string',
  'section': 'string',
  'installed_on': 'date',
  'lon': 'number',
  'lat': 'number',
} %}

with landed as (
  {{ landed('emergency.tailings_point', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['point_id']) }}
)

select
  point_id,
  pond_id,
  section,
  installed_on,
  lon,
  lat,
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
