-- One row per object_id. Risk objects of all registers (风险对象).
-- Derived from the contracts whose entity is `object` by `cityrisk derive`; not edited by hand.
with
ecology__outfall as (
  select
    'ecology:' || outfall_id as object_id,
    cast(null as {{ sql_type('string') }}) as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('string') }}) as geometry_wkt,
    credit_code,
    enterprise_name,
    cast(null as {{ sql_type('string') }}) as address,
    cast(null as {{ sql_type('date') }}) as built_on,
    cast(null as {{ sql_type('string') }}) as status,
    cast(null as {{ sql_type('string') }}) as grade,
    cast(null as {{ sql_type('integer') }}) as people,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'outfall' as object_type,
    _flags as flags,
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

emergency__major_hazard_rows as (
  select
    'emergency:' || unit_id as object_id,
    unit_type as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('string') }}) as geometry_wkt,
    credit_code,
    enterprise_name,
    address,
    cast(null as {{ sql_type('date') }}) as built_on,
    cast(null as {{ sql_type('string') }}) as status,
    grade_declared as grade,
    exposed_people as people,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'major_hazard' as object_type,
    _flags as flags,
    {{ json_of(['is_online', 'promise_on']) }} as attributes,
    'emergency.major_hazard' as feed_id,
    'emergency' as department_code,
    'work_safety' as domain,
    'major_hazard' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_emergency__major_hazard') }}
),

emergency__major_hazard as (
  {{ latest_by_key('emergency__major_hazard_rows', ['object_id'], ['received_at', 'batch_id', 'attributes']) }}
),

emergency__tailings_pond as (
  select
    'emergency:' || pond_id as object_id,
    cast(null as {{ sql_type('string') }}) as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    geometry_wkt,
    credit_code,
    enterprise_name,
    cast(null as {{ sql_type('string') }}) as address,
    built_on,
    cast(null as {{ sql_type('string') }}) as status,
    pond_class as grade,
    people_downstream as people,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'tailings_pond' as object_type,
    _flags as flags,
    {{ json_of(['dam_height_m', 'capacity_10k_m3', 'dry_beach_min_m', 'pool_level_max_m']) }} as attributes,
    'emergency.tailings_pond' as feed_id,
    'emergency' as department_code,
    'work_safety' as domain,
    'tailings' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_emergency__tailings_pond') }}
),

fire__unit as (
  select
    'fire:' || unit_id as object_id,
    unit_type as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('string') }}) as geometry_wkt,
    credit_code,
    cast(null as {{ sql_type('string') }}) as enterprise_name,
    address,
    built_on,
    cast(null as {{ sql_type('string') }}) as status,
    fire_grade as grade,
    occupants as people,
    updated_at,
    'fire_unit' as object_type,
    _flags as flags,
    {{ json_of(['building_height_m', 'floor_area_m2', 'facilities_intact_pct']) }} as attributes,
    'fire.unit' as feed_id,
    'fire' as department_code,
    'public_safety' as domain,
    'fire' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_fire__unit') }}
),

housing__site as (
  select
    'housing:' || site_id as object_id,
    cast(null as {{ sql_type('string') }}) as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('string') }}) as geometry_wkt,
    credit_code,
    builder_name as enterprise_name,
    cast(null as {{ sql_type('string') }}) as address,
    started_on as built_on,
    stage as status,
    cast(null as {{ sql_type('string') }}) as grade,
    workers_registered as people,
    updated_at,
    'construction_site' as object_type,
    _flags as flags,
    {{ json_of(['pit_depth_m', 'tower_cranes', 'has_special_work']) }} as attributes,
    'housing.site' as feed_id,
    'housing' as department_code,
    'public_safety' as domain,
    'construction' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_housing__site') }}
),

market__elevator as (
  select
    'market:' || elevator_id as object_id,
    elevator_type as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('string') }}) as geometry_wkt,
    credit_code,
    user_name as enterprise_name,
    address,
    built_on,
    cast(null as {{ sql_type('string') }}) as status,
    cast(null as {{ sql_type('string') }}) as grade,
    cast(null as {{ sql_type('integer') }}) as people,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'elevator' as object_type,
    _flags as flags,
    {{ json_of(['registration_no', 'floors', 'rated_load_kg', 'rated_speed_m_s', 'last_inspected_on', 'inspection_due_on', 'trapped_12m']) }} as attributes,
    'market.elevator' as feed_id,
    'market' as department_code,
    'lifeline' as domain,
    'elevator' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_market__elevator') }}
),

resources__geo_point as (
  select
    'resources:' || point_id as object_id,
    hazard_type as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('string') }}) as geometry_wkt,
    cast(null as {{ sql_type('string') }}) as credit_code,
    cast(null as {{ sql_type('string') }}) as enterprise_name,
    cast(null as {{ sql_type('string') }}) as address,
    registered_on as built_on,
    cast(null as {{ sql_type('string') }}) as status,
    scale as grade,
    people_threatened as people,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'geo_hazard_point' as object_type,
    _flags as flags,
    {{ json_of(['stability', 'households_threatened', 'property_threatened_10k_cny']) }} as attributes,
    'resources.geo_point' as feed_id,
    'resources' as department_code,
    'natural_hazard' as domain,
    'geological' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_resources__geo_point') }}
),

transport__vehicle as (
  select
    'transport:' || vehicle_id as object_id,
    vehicle_type as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('string') }}) as geometry_wkt,
    credit_code,
    firm_name as enterprise_name,
    cast(null as {{ sql_type('string') }}) as address,
    registered_on as built_on,
    operating_status as status,
    cast(null as {{ sql_type('string') }}) as grade,
    seats as people,
    updated_at,
    'key_vehicle' as object_type,
    _flags as flags,
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

urban__gas_device as (
  select
    'urban:' || space_id as object_id,
    space_type as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('string') }}) as geometry_wkt,
    cast(null as {{ sql_type('string') }}) as credit_code,
    operator_name as enterprise_name,
    cast(null as {{ sql_type('string') }}) as address,
    cast(null as {{ sql_type('date') }}) as built_on,
    cast(null as {{ sql_type('string') }}) as status,
    cast(null as {{ sql_type('string') }}) as grade,
    people_nearby as people,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'gas_space' as object_type,
    _flags as flags,
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

urban__pipe as (
  select
    'urban:' || pipe_id as object_id,
    pipe_class as object_subtype,
    cast(null as {{ sql_type('string') }}) as name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    geometry_wkt,
    cast(null as {{ sql_type('string') }}) as credit_code,
    owner_name as enterprise_name,
    cast(null as {{ sql_type('string') }}) as address,
    built_on,
    status,
    cast(null as {{ sql_type('string') }}) as grade,
    cast(null as {{ sql_type('integer') }}) as people,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'pipe' as object_type,
    _flags as flags,
    {{ json_of(['pipe_subclass', 'material', 'diameter_mm', 'depth_m', 'design_pressure_kpa', 'length_m']) }} as attributes,
    'urban.pipe' as feed_id,
    'urban' as department_code,
    'lifeline' as domain,
    'pipeline' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_urban__pipe') }}
),

urban__tunnel_device as (
  select
    'urban:' || compartment_id as object_id,
    compartment_type as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('string') }}) as geometry_wkt,
    cast(null as {{ sql_type('string') }}) as credit_code,
    operator_name as enterprise_name,
    cast(null as {{ sql_type('string') }}) as address,
    cast(null as {{ sql_type('date') }}) as built_on,
    cast(null as {{ sql_type('string') }}) as status,
    cast(null as {{ sql_type('string') }}) as grade,
    cast(null as {{ sql_type('integer') }}) as people,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'tunnel_compartment' as object_type,
    _flags as flags,
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

water__station as (
  select
    'water:' || station_id as object_id,
    station_type as object_subtype,
    name_zh,
    cast(null as {{ sql_type('string') }}) as name_en,
    coalesce(_area_code, area_code) as area_code,
    _lon as lon,
    _lat as lat,
    cast(null as {{ sql_type('string') }}) as geometry_wkt,
    cast(null as {{ sql_type('string') }}) as credit_code,
    cast(null as {{ sql_type('string') }}) as enterprise_name,
    cast(null as {{ sql_type('string') }}) as address,
    cast(null as {{ sql_type('date') }}) as built_on,
    cast(null as {{ sql_type('string') }}) as status,
    cast(null as {{ sql_type('string') }}) as grade,
    cast(null as {{ sql_type('integer') }}) as people,
    cast(null as {{ sql_type('timestamp') }}) as updated_at,
    'water_station' as object_type,
    _flags as flags,
    {{ json_of(['river_name', 'warning_level_m', 'guarantee_level_m', 'historical_max_level_m']) }} as attributes,
    'water.station' as feed_id,
    'water' as department_code,
    'natural_hazard' as domain,
    'flood' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_water__station') }}
)

select * from ecology__outfall
union all
select * from emergency__major_hazard
union all
select * from emergency__tailings_pond
union all
select * from fire__unit
union all
select * from housing__site
union all
select * from market__elevator
union all
select * from resources__geo_point
union all
select * from transport__vehicle
union all
select * from urban__gas_device
union all
select * from urban__pipe
union all
select * from urban__tunnel_device
union all
select * from water__station
