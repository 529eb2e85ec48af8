-- One row per device_id. Devices of all registers (监测设备).
-- Derived from the contracts whose entity is `device` by `cityrisk derive`; not edited by hand.
with
emergency__tailings_point as (
  select
    'emergency:' || point_id as device_id,
    'emergency:' || pond_id as object_id,
    cast(null as {{ sql_type('string') }}) as name_zh,
    _area_code as area_code,
    _lon as lon,
    _lat as lat,
    installed_on,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'csv' as protocol,
    'dry_beach_m,phreatic_depth_m,pore_pressure_kpa,surface_displacement_mm,pool_level_m,rain_1h_mm' as metric_list,
    {{ json_of(['section']) }} as attributes,
    'emergency.tailings_point' as feed_id,
    'emergency' as department_code,
    'work_safety' as domain,
    'tailings' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_emergency__tailings_point') }}
),

resources__geo_device as (
  select
    'resources:' || device_id as device_id,
    'resources:' || point_id as object_id,
    cast(null as {{ sql_type('string') }}) as name_zh,
    _area_code as area_code,
    _lon as lon,
    _lat as lat,
    installed_on,
    updated_at,
    'sql' as protocol,
    'displacement_mm,crack_width_mm,tilt_deg,rain_1h_mm,soil_moisture_pct' as metric_list,
    {{ json_of(['device_class', 'device_type']) }} as attributes,
    'resources.geo_device' as feed_id,
    'resources' as department_code,
    'natural_hazard' as domain,
    'geological' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_resources__geo_device') }}
),

urban__gas_device_rows as (
  select
    'urban:' || device_id as device_id,
    'urban:' || space_id as object_id,
    name_zh,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    installed_on,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'mqtt' as protocol,
    'methane_pct_lel,methane_pct_vol,gas_pressure_kpa,air_temperature_c' as metric_list,
    {{ json_of([]) }} as attributes,
    'urban.gas_device' as feed_id,
    'urban' as department_code,
    'lifeline' as domain,
    'gas' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_urban__gas_device') }}
),

urban__gas_device as (
  {{ latest_by_key('urban__gas_device_rows', ['device_id'], ['received_at', 'batch_id', 'attributes']) }}
),

urban__tunnel_device_rows as (
  select
    'urban:' || device_id as device_id,
    'urban:' || compartment_id as object_id,
    name_zh,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    installed_on,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'mqtt' as protocol,
    'methane_pct_lel,oxygen_pct_vol,h2s_mg_m3,air_temperature_c,humidity_pct,water_level_m' as metric_list,
    {{ json_of(['humidity_limit_pct', 'sump_limit_m']) }} as attributes,
    'urban.tunnel_device' as feed_id,
    'urban' as department_code,
    'lifeline' as domain,
    'utility_tunnel' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_urban__tunnel_device') }}
),

urban__tunnel_device as (
  {{ latest_by_key('urban__tunnel_device_rows', ['device_id'], ['received_at', 'batch_id', 'attributes']) }}
),

weather__station as (
  select
    'weather:' || station_id as device_id,
    cast(null as {{ sql_type('string') }}) as object_id,
    name_zh,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    installed_on,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'http' as protocol,
    'air_temperature_c,rain_1h_mm,wind_speed_m_s,gust_speed_m_s,air_pressure_hpa,relative_humidity_pct,visibility_m' as metric_list,
    {{ json_of(['station_type', 'elevation_m']) }} as attributes,
    'weather.station' as feed_id,
    'weather' as department_code,
    'natural_hazard' as domain,
    'weather' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_weather__station') }}
)

select * from emergency__tailings_point
union all
select * from resources__geo_device
union all
select * from urban__gas_device
union all
select * from urban__tunnel_device
union all
select * from weather__station
