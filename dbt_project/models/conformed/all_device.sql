-- One row per device_id. Devices of all registers (监测设备).
-- Derived from the contracts whose entity is `device` by `cityrisk derive`; not edited by hand.
with
ecology__outfall_rows as (
  select
    'ecology:' || device_id as device_id,
    'ecology:' || outfall_id as object_id,
    name_zh,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    installed_on,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'hj212' as protocol,
    'cod_mg_l,nh3_n_mg_l,ph,flow_l_s' as metric_list,
    {{ json_of(['receiving_water', 'cod_limit_mg_l', 'nh3_n_limit_mg_l', 'ph_min', 'ph_max']) }} as attributes,
    'ecology.outfall' as feed_id,
    'ecology' as department_code,
    'work_safety' as domain,
    'pollution' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_ecology__outfall') }}
),

ecology__outfall as (
  {{ latest_by_key('ecology__outfall_rows', ['device_id'], ['received_at', 'batch_id', 'attributes']) }}
),

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

fire__device as (
  select
    'fire:' || device_id as device_id,
    'fire:' || unit_id as object_id,
    name_zh,
    _area_code as area_code,
    _lon as lon,
    _lat as lat,
    installed_on,
    updated_at,
    'gb26875' as protocol,
    'residual_current_ma,cable_temperature_c,water_pressure_mpa' as metric_list,
    {{ json_of(['gateway_id', 'device_kind', 'pressure_min_mpa']) }} as attributes,
    'fire.device' as feed_id,
    'fire' as department_code,
    'public_safety' as domain,
    'fire' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_fire__device') }}
),

housing__dust_monitor as (
  select
    'housing:' || device_id as device_id,
    'housing:' || site_id as object_id,
    name_zh,
    _area_code as area_code,
    _lon as lon,
    _lat as lat,
    installed_on,
    updated_at,
    'hj212' as protocol,
    'pm10_ug_m3,pm2_5_ug_m3,tsp_ug_m3,noise_db' as metric_list,
    {{ json_of([]) }} as attributes,
    'housing.dust_monitor' as feed_id,
    'housing' as department_code,
    'public_safety' as domain,
    'construction' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_housing__dust_monitor') }}
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

transport__vehicle_rows as (
  select
    'transport:' || terminal_id as device_id,
    'transport:' || vehicle_id as object_id,
    name_zh,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('date') }}) as installed_on,
    updated_at,
    'jt808' as protocol,
    'speed_kmh' as metric_list,
    {{ json_of(['terminal_edition', 'plate_colour', 'speed_limit_kmh']) }} as attributes,
    'transport.vehicle' as feed_id,
    'transport' as department_code,
    'public_safety' as domain,
    'key_vehicle' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_transport__vehicle') }}
),

transport__vehicle as (
  {{ latest_by_key('transport__vehicle_rows', ['device_id'], ['received_at', 'batch_id', 'attributes']) }}
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
    {{ json_of(['gateway_id']) }} as attributes,
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
    {{ json_of(['humidity_limit_pct', 'sump_limit_m', 'gateway_id']) }} as attributes,
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

water__station_rows as (
  select
    'water:' || device_id as device_id,
    'water:' || station_id as object_id,
    name_zh,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    installed_on,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'sl651' as protocol,
    'level_m,rain_mm' as metric_list,
    {{ json_of(['river_name', 'warning_level_m', 'guarantee_level_m', 'historical_max_level_m']) }} as attributes,
    'water.station' as feed_id,
    'water' as department_code,
    'natural_hazard' as domain,
    'flood' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_water__station') }}
),

water__station as (
  {{ latest_by_key('water__station_rows', ['device_id'], ['received_at', 'batch_id', 'attributes']) }}
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

select * from ecology__outfall
union all
select * from emergency__tailings_point
union all
select * from fire__device
union all
select * from housing__dust_monitor
union all
select * from resources__geo_device
union all
select * from transport__vehicle
union all
select * from urban__gas_device
union all
select * from urban__tunnel_device
union all
select * from water__station
union all
select * from weather__station
