-- One row per site; newest row of each key. Construction sites (建筑工地).
-- A register: every live file is read.
-- Derived from the contract of housing.site by `cityrisk derive`; not edited by hand.
-- depends_on: {{ source('landing', 'housing__site') }}
{%- set columns = {
  'site_id': 'string',
  'name_zh': 'string',
  'credit_code': 'string',
  'builder_name': 'string',
  'area_code': 'string',
  'lon': 'number',
  'lat': 'number',
  'stage': 'string',
  'pit_depth_m': 'number',
  'tower_cranes': 'integer',
  'workers_registered': 'integer',
  'has_special_work': 'boolean',
  'started_on': 'date',
  'manager_name_hash': 'string',
  'manager_phone_hash': 'string',
  'updated_at': 'timestamp',
} %}

with landed as (
  {{ landed('housing.site', columns, is_register=True) }}
),

latest as (
  {{ latest_by_key('landed', ['site_id']) }}
)

select
  site_id,
  name_zh,
  credit_code,
  builder_name,
  area_code,
  lon,
  lat,
  stage,
  pit_depth_m,
  tower_cranes,
  workers_registered,
  has_special_work,
  started_on,
  manager_name_hash,
  manager_phone_hash,
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
