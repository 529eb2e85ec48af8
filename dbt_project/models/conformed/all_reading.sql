-- One row per device_id, metric, observed_at that has a value. Readings of all feeds, one row per device, metric and time (监测读数(长表)).
-- Only the days that this build calls affected. A reading's object is the one its device is registered for.
-- Derived from the contracts whose entity is `reading` by `cityrisk derive`; not edited by hand.
with

registered as (
  select device_id, object_id, received_at, batch_id from {{ ref('all_device') }}
),

device as (
  {{ latest_by_key('registered', ['device_id'], ['received_at', 'batch_id']) }}
),

ecology__outfall_reading_read as (
  select
    'ecology:' || device_id as device_id,
    observed_at,
    transmitted_at,
    coalesce(quality_flag, 'normal') as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'ecology.outfall_reading' as feed_id,
    'ecology' as department_code,
    'work_safety' as domain,
    'pollution' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(cod_mg_l as {{ sql_type('number') }}) as cod_mg_l,
    cast(nh3_n_mg_l as {{ sql_type('number') }}) as nh3_n_mg_l,
    cast(ph as {{ sql_type('number') }}) as ph,
    cast(flow_l_s as {{ sql_type('number') }}) as flow_l_s,
    _flags
  from {{ ref('stg_ecology__outfall_reading') }}
),

ecology__outfall_reading_wide as (
  select ecology__outfall_reading_read.*, device.object_id
  from ecology__outfall_reading_read
  left join device on ecology__outfall_reading_read.device_id = device.device_id
),

ecology__outfall_reading as (
  {{ unpivot_metrics('ecology__outfall_reading_wide', ['cod_mg_l', 'nh3_n_mg_l', 'ph', 'flow_l_s']) }}
),

emergency__tailings_reading_read as (
  select
    'emergency:' || point_id as device_id,
    observed_at,
    cast(null as {{ sql_type('timestamp') }}) as transmitted_at,
    coalesce(quality_flag, 'normal') as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'emergency.tailings_reading' as feed_id,
    'emergency' as department_code,
    'work_safety' as domain,
    'tailings' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(dry_beach_m as {{ sql_type('number') }}) as dry_beach_m,
    cast(phreatic_depth_m as {{ sql_type('number') }}) as phreatic_depth_m,
    cast(pore_pressure_kpa as {{ sql_type('number') }}) as pore_pressure_kpa,
    cast(surface_displacement_mm as {{ sql_type('number') }}) as surface_displacement_mm,
    cast(pool_level_m as {{ sql_type('number') }}) as pool_level_m,
    cast(rain_1h_mm as {{ sql_type('number') }}) as rain_1h_mm
  from {{ ref('stg_emergency__tailings_reading') }}
),

emergency__tailings_reading_wide as (
  select emergency__tailings_reading_read.*, device.object_id
  from emergency__tailings_reading_read
  left join device on emergency__tailings_reading_read.device_id = device.device_id
),

emergency__tailings_reading as (
  {{ unpivot_metrics('emergency__tailings_reading_wide', ['dry_beach_m', 'phreatic_depth_m', 'pore_pressure_kpa', 'surface_displacement_mm', 'pool_level_m', 'rain_1h_mm']) }}
),

emergency__tailings_sensor_read as (
  select
    'emergency:' || point_id as device_id,
    observed_at,
    cast(null as {{ sql_type('timestamp') }}) as transmitted_at,
    coalesce(quality_flag, 'normal') as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'emergency.tailings_sensor' as feed_id,
    'emergency' as department_code,
    'work_safety' as domain,
    'tailings' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(dry_beach_m as {{ sql_type('number') }}) as dry_beach_m,
    cast(phreatic_depth_m as {{ sql_type('number') }}) as phreatic_depth_m,
    cast(pore_pressure_kpa as {{ sql_type('number') }}) as pore_pressure_kpa,
    cast(surface_displacement_mm as {{ sql_type('number') }}) as surface_displacement_mm,
    cast(pool_level_m as {{ sql_type('number') }}) as pool_level_m,
    cast(rain_1h_mm as {{ sql_type('number') }}) as rain_1h_mm,
    _flags
  from {{ ref('stg_emergency__tailings_sensor') }}
),

emergency__tailings_sensor_wide as (
  select emergency__tailings_sensor_read.*, device.object_id
  from emergency__tailings_sensor_read
  left join device on emergency__tailings_sensor_read.device_id = device.device_id
),

emergency__tailings_sensor as (
  {{ unpivot_metrics('emergency__tailings_sensor_wide', ['dry_beach_m', 'phreatic_depth_m', 'pore_pressure_kpa', 'surface_displacement_mm', 'pool_level_m', 'rain_1h_mm']) }}
),

fire__device_reading_read as (
  select
    'fire:' || device_id as device_id,
    observed_at,
    sent_at as transmitted_at,
    'normal' as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'fire.device_reading' as feed_id,
    'fire' as department_code,
    'public_safety' as domain,
    'fire' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(residual_current_ma as {{ sql_type('number') }}) as residual_current_ma,
    cast(cable_temperature_c as {{ sql_type('number') }}) as cable_temperature_c,
    cast(water_pressure_mpa as {{ sql_type('number') }}) as water_pressure_mpa,
    _flags
  from {{ ref('stg_fire__device_reading') }}
),

fire__device_reading_wide as (
  select fire__device_reading_read.*, device.object_id
  from fire__device_reading_read
  left join device on fire__device_reading_read.device_id = device.device_id
),

fire__device_reading as (
  {{ unpivot_metrics('fire__device_reading_wide', ['residual_current_ma', 'cable_temperature_c', 'water_pressure_mpa']) }}
),

housing__dust_reading_read as (
  select
    'housing:' || device_id as device_id,
    observed_at,
    transmitted_at,
    coalesce(quality_flag, 'normal') as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'housing.dust_reading' as feed_id,
    'housing' as department_code,
    'public_safety' as domain,
    'construction' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(pm10_ug_m3 as {{ sql_type('number') }}) as pm10_ug_m3,
    cast(pm2_5_ug_m3 as {{ sql_type('number') }}) as pm2_5_ug_m3,
    cast(tsp_ug_m3 as {{ sql_type('number') }}) as tsp_ug_m3,
    cast(noise_db as {{ sql_type('number') }}) as noise_db,
    _flags
  from {{ ref('stg_housing__dust_reading') }}
),

housing__dust_reading_wide as (
  select housing__dust_reading_read.*, device.object_id
  from housing__dust_reading_read
  left join device on housing__dust_reading_read.device_id = device.device_id
),

housing__dust_reading as (
  {{ unpivot_metrics('housing__dust_reading_wide', ['pm10_ug_m3', 'pm2_5_ug_m3', 'tsp_ug_m3', 'noise_db']) }}
),

resources__geo_reading_read as (
  select
    'resources:' || device_id as device_id,
    observed_at,
    recorded_at as transmitted_at,
    coalesce(quality_flag, 'normal') as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'resources.geo_reading' as feed_id,
    'resources' as department_code,
    'natural_hazard' as domain,
    'geological' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(displacement_mm as {{ sql_type('number') }}) as displacement_mm,
    cast(crack_width_mm as {{ sql_type('number') }}) as crack_width_mm,
    cast(tilt_deg as {{ sql_type('number') }}) as tilt_deg,
    cast(rain_1h_mm as {{ sql_type('number') }}) as rain_1h_mm,
    cast(soil_moisture_pct as {{ sql_type('number') }}) as soil_moisture_pct
  from {{ ref('stg_resources__geo_reading') }}
),

resources__geo_reading_wide as (
  select resources__geo_reading_read.*, device.object_id
  from resources__geo_reading_read
  left join device on resources__geo_reading_read.device_id = device.device_id
),

resources__geo_reading as (
  {{ unpivot_metrics('resources__geo_reading_wide', ['displacement_mm', 'crack_width_mm', 'tilt_deg', 'rain_1h_mm', 'soil_moisture_pct']) }}
),

transport__vehicle_position_read as (
  select
    'transport:' || device_id as device_id,
    observed_at,
    cast(null as {{ sql_type('timestamp') }}) as transmitted_at,
    'normal' as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'transport.vehicle_position' as feed_id,
    'transport' as department_code,
    'public_safety' as domain,
    'key_vehicle' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(speed_kmh as {{ sql_type('number') }}) as speed_kmh,
    _flags
  from {{ ref('stg_transport__vehicle_position') }}
),

transport__vehicle_position_wide as (
  select transport__vehicle_position_read.*, device.object_id
  from transport__vehicle_position_read
  left join device on transport__vehicle_position_read.device_id = device.device_id
),

transport__vehicle_position as (
  {{ unpivot_metrics('transport__vehicle_position_wide', ['speed_kmh']) }}
),

urban__gas_reading_read as (
  select
    'urban:' || device_id as device_id,
    observed_at,
    cast(null as {{ sql_type('timestamp') }}) as transmitted_at,
    coalesce(quality_flag, 'normal') as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'urban.gas_reading' as feed_id,
    'urban' as department_code,
    'lifeline' as domain,
    'gas' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(methane_pct_lel as {{ sql_type('number') }}) as methane_pct_lel,
    cast(methane_pct_vol as {{ sql_type('number') }}) as methane_pct_vol,
    cast(gas_pressure_kpa as {{ sql_type('number') }}) as gas_pressure_kpa,
    cast(air_temperature_c as {{ sql_type('number') }}) as air_temperature_c,
    _flags
  from {{ ref('stg_urban__gas_reading') }}
),

urban__gas_reading_wide as (
  select urban__gas_reading_read.*, device.object_id
  from urban__gas_reading_read
  left join device on urban__gas_reading_read.device_id = device.device_id
),

urban__gas_reading as (
  {{ unpivot_metrics('urban__gas_reading_wide', ['methane_pct_lel', 'methane_pct_vol', 'gas_pressure_kpa', 'air_temperature_c']) }}
),

urban__tunnel_reading_read as (
  select
    'urban:' || device_id as device_id,
    observed_at,
    cast(null as {{ sql_type('timestamp') }}) as transmitted_at,
    coalesce(quality_flag, 'normal') as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'urban.tunnel_reading' as feed_id,
    'urban' as department_code,
    'lifeline' as domain,
    'utility_tunnel' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(methane_pct_lel as {{ sql_type('number') }}) as methane_pct_lel,
    cast(oxygen_pct_vol as {{ sql_type('number') }}) as oxygen_pct_vol,
    cast(h2s_mg_m3 as {{ sql_type('number') }}) as h2s_mg_m3,
    cast(air_temperature_c as {{ sql_type('number') }}) as air_temperature_c,
    cast(humidity_pct as {{ sql_type('number') }}) as humidity_pct,
    cast(water_level_m as {{ sql_type('number') }}) as water_level_m,
    _flags
  from {{ ref('stg_urban__tunnel_reading') }}
),

urban__tunnel_reading_wide as (
  select urban__tunnel_reading_read.*, device.object_id
  from urban__tunnel_reading_read
  left join device on urban__tunnel_reading_read.device_id = device.device_id
),

urban__tunnel_reading as (
  {{ unpivot_metrics('urban__tunnel_reading_wide', ['methane_pct_lel', 'oxygen_pct_vol', 'h2s_mg_m3', 'air_temperature_c', 'humidity_pct', 'water_level_m']) }}
),

water__rain_reading_read as (
  select
    'water:' || device_id as device_id,
    observed_at,
    sent_at as transmitted_at,
    'normal' as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'water.rain_reading' as feed_id,
    'water' as department_code,
    'natural_hazard' as domain,
    'flood' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(rain_mm as {{ sql_type('number') }}) as rain_mm,
    _flags
  from {{ ref('stg_water__rain_reading') }}
),

water__rain_reading_wide as (
  select water__rain_reading_read.*, device.object_id
  from water__rain_reading_read
  left join device on water__rain_reading_read.device_id = device.device_id
),

water__rain_reading as (
  {{ unpivot_metrics('water__rain_reading_wide', ['rain_mm']) }}
),

water__river_reading_read as (
  select
    'water:' || device_id as device_id,
    observed_at,
    sent_at as transmitted_at,
    'normal' as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'water.river_reading' as feed_id,
    'water' as department_code,
    'natural_hazard' as domain,
    'flood' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(level_m as {{ sql_type('number') }}) as level_m,
    cast(flow_m3_s as {{ sql_type('number') }}) as flow_m3_s,
    _flags
  from {{ ref('stg_water__river_reading') }}
),

water__river_reading_wide as (
  select water__river_reading_read.*, device.object_id
  from water__river_reading_read
  left join device on water__river_reading_read.device_id = device.device_id
),

water__river_reading as (
  {{ unpivot_metrics('water__river_reading_wide', ['level_m', 'flow_m3_s']) }}
),

weather__observation_read as (
  select
    'weather:' || station_id as device_id,
    observed_at,
    transmitted_at,
    coalesce(quality_flag, 'normal') as quality_flag,
    {{ has_word('_flags', 'late') }} as is_late,
    'weather.observation' as feed_id,
    'weather' as department_code,
    'natural_hazard' as domain,
    'weather' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at,
    cast(air_temperature_c as {{ sql_type('number') }}) as air_temperature_c,
    cast(rain_1h_mm as {{ sql_type('number') }}) as rain_1h_mm,
    cast(wind_speed_m_s as {{ sql_type('number') }}) as wind_speed_m_s,
    cast(gust_speed_m_s as {{ sql_type('number') }}) as gust_speed_m_s,
    cast(air_pressure_hpa as {{ sql_type('number') }}) as air_pressure_hpa,
    cast(relative_humidity_pct as {{ sql_type('number') }}) as relative_humidity_pct,
    cast(visibility_m as {{ sql_type('number') }}) as visibility_m
  from {{ ref('stg_weather__observation') }}
),

weather__observation_wide as (
  select weather__observation_read.*, device.object_id
  from weather__observation_read
  left join device on weather__observation_read.device_id = device.device_id
),

weather__observation as (
  {{ unpivot_metrics('weather__observation_wide', ['air_temperature_c', 'rain_1h_mm', 'wind_speed_m_s', 'gust_speed_m_s', 'air_pressure_hpa', 'relative_humidity_pct', 'visibility_m']) }}
)

select
  device_id,
  observed_at,
  transmitted_at,
  {{ quality_of_value('quality_flag', '_flags', 'metric') }} as quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from ecology__outfall_reading
union all
select
  device_id,
  observed_at,
  transmitted_at,
  quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from emergency__tailings_reading
union all
select
  device_id,
  observed_at,
  transmitted_at,
  {{ quality_of_value('quality_flag', '_flags', 'metric') }} as quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from emergency__tailings_sensor
union all
select
  device_id,
  observed_at,
  transmitted_at,
  {{ quality_of_value('quality_flag', '_flags', 'metric') }} as quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from fire__device_reading
union all
select
  device_id,
  observed_at,
  transmitted_at,
  {{ quality_of_value('quality_flag', '_flags', 'metric') }} as quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from housing__dust_reading
union all
select
  device_id,
  observed_at,
  transmitted_at,
  quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from resources__geo_reading
union all
select
  device_id,
  observed_at,
  transmitted_at,
  {{ quality_of_value('quality_flag', '_flags', 'metric') }} as quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from transport__vehicle_position
union all
select
  device_id,
  observed_at,
  transmitted_at,
  {{ quality_of_value('quality_flag', '_flags', 'metric') }} as quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from urban__gas_reading
union all
select
  device_id,
  observed_at,
  transmitted_at,
  {{ quality_of_value('quality_flag', '_flags', 'metric') }} as quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from urban__tunnel_reading
union all
select
  device_id,
  observed_at,
  transmitted_at,
  {{ quality_of_value('quality_flag', '_flags', 'metric') }} as quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from water__rain_reading
union all
select
  device_id,
  observed_at,
  transmitted_at,
  {{ quality_of_value('quality_flag', '_flags', 'metric') }} as quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from water__river_reading
union all
select
  device_id,
  observed_at,
  transmitted_at,
  quality_flag,
  object_id,
  metric,
  value,
  is_late,
  feed_id,
  department_code,
  domain,
  subdomain,
  landed_on,
  batch_id,
  received_at
from weather__observation
