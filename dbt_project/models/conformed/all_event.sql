-- One row per event_id. Events of all feeds (事件).
-- Derived from the contracts whose entity is `event` by `cityrisk derive`; not edited by hand.
with
registered as (
  select device_id, object_id, received_at, batch_id from {{ ref('all_device') }}
),

device as (
  {{ latest_by_key('registered', ['device_id'], ['received_at', 'batch_id']) }}
),

fire__device_state_read as (
  select
    'fire.device_state:' || state_key as event_id,
    event_kind as event_type,
    part_type as event_subtype,
    cast(null as {{ sql_type('string') }}) as object_id,
    'fire:' || device_id as device_id,
    _area_code as area_code,
    observed_at as occurred_at,
    cast(null as {{ sql_type('timestamp') }}) as ended_at,
    cast(null as {{ sql_type('string') }}) as colour,
    cast(null as {{ sql_type('string') }}) as title_zh,
    place_zh as text_zh,
    cast(null as {{ sql_type('string') }}) as person_key,
    sent_at as transmitted_at,
    _lon as lon,
    _lat as lat,
    {{ has_word('_flags', 'late') }} as is_late,
    {{ json_of(['part_id', 'system_type', 'system_no', 'loop_no', 'part_no', 'state_bits', 'fire', 'fault', 'shielded', 'supervised', 'started', 'feedback', 'is_reset']) }} as attributes,
    'fire.device_state' as feed_id,
    'fire' as department_code,
    'public_safety' as domain,
    'fire' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_fire__device_state') }}
),

fire__device_state as (
  select
    fire__device_state_read.event_id,
    fire__device_state_read.event_type,
    fire__device_state_read.event_subtype,
    device.object_id,
    fire__device_state_read.device_id,
    fire__device_state_read.area_code,
    fire__device_state_read.occurred_at,
    fire__device_state_read.ended_at,
    fire__device_state_read.colour,
    fire__device_state_read.title_zh,
    fire__device_state_read.text_zh,
    fire__device_state_read.person_key,
    fire__device_state_read.transmitted_at,
    fire__device_state_read.lon,
    fire__device_state_read.lat,
    fire__device_state_read.is_late,
    fire__device_state_read.attributes,
    fire__device_state_read.feed_id,
    fire__device_state_read.department_code,
    fire__device_state_read.domain,
    fire__device_state_read.subdomain,
    fire__device_state_read.landed_on,
    fire__device_state_read.batch_id,
    fire__device_state_read.received_at
  from fire__device_state_read
  left join device on fire__device_state_read.device_id = device.device_id
),

housing__attendance as (
  select
    'housing.attendance:' || record_id as event_id,
    direction as event_type,
    post as event_subtype,
    'housing:' || site_id as object_id,
    cast(null as {{ sql_type('string') }}) as device_id,
    _area_code as area_code,
    passed_at as occurred_at,
    cast(null as {{ sql_type('timestamp') }}) as ended_at,
    cast(null as {{ sql_type('string') }}) as colour,
    cast(null as {{ sql_type('string') }}) as title_zh,
    cast(null as {{ sql_type('string') }}) as text_zh,
    person_id_no_hash as person_key,
    recorded_at as transmitted_at,
    _lon as lon,
    _lat as lat,
    {{ has_word('_flags', 'late') }} as is_late,
    {{ json_of(['certificate_expires_on']) }} as attributes,
    'housing.attendance' as feed_id,
    'housing' as department_code,
    'public_safety' as domain,
    'construction' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_housing__attendance') }}
),

transport__driver_behaviour_read as (
  select
    'transport.driver_behaviour:' || alarm_key as event_id,
    behaviour as event_type,
    source as event_subtype,
    cast(null as {{ sql_type('string') }}) as object_id,
    'transport:' || device_id as device_id,
    _area_code as area_code,
    observed_at as occurred_at,
    cast(null as {{ sql_type('timestamp') }}) as ended_at,
    cast(null as {{ sql_type('string') }}) as colour,
    cast(null as {{ sql_type('string') }}) as title_zh,
    cast(null as {{ sql_type('string') }}) as text_zh,
    cast(null as {{ sql_type('string') }}) as person_key,
    cast(null as {{ sql_type('timestamp') }}) as transmitted_at,
    _lon as lon,
    _lat as lat,
    {{ has_word('_flags', 'late') }} as is_late,
    {{ json_of(['phase', 'level', 'fatigue_degree', 'vehicle_speed_kmh', 'is_backfill']) }} as attributes,
    'transport.driver_behaviour' as feed_id,
    'transport' as department_code,
    'public_safety' as domain,
    'key_vehicle' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_transport__driver_behaviour') }}
),

transport__driver_behaviour as (
  select
    transport__driver_behaviour_read.event_id,
    transport__driver_behaviour_read.event_type,
    transport__driver_behaviour_read.event_subtype,
    device.object_id,
    transport__driver_behaviour_read.device_id,
    transport__driver_behaviour_read.area_code,
    transport__driver_behaviour_read.occurred_at,
    transport__driver_behaviour_read.ended_at,
    transport__driver_behaviour_read.colour,
    transport__driver_behaviour_read.title_zh,
    transport__driver_behaviour_read.text_zh,
    transport__driver_behaviour_read.person_key,
    transport__driver_behaviour_read.transmitted_at,
    transport__driver_behaviour_read.lon,
    transport__driver_behaviour_read.lat,
    transport__driver_behaviour_read.is_late,
    transport__driver_behaviour_read.attributes,
    transport__driver_behaviour_read.feed_id,
    transport__driver_behaviour_read.department_code,
    transport__driver_behaviour_read.domain,
    transport__driver_behaviour_read.subdomain,
    transport__driver_behaviour_read.landed_on,
    transport__driver_behaviour_read.batch_id,
    transport__driver_behaviour_read.received_at
  from transport__driver_behaviour_read
  left join device on transport__driver_behaviour_read.device_id = device.device_id
),

weather__warning as (
  select
    'weather.warning:' || warning_id as event_id,
    signal_type as event_type,
    cast(null as {{ sql_type('string') }}) as event_subtype,
    cast(null as {{ sql_type('string') }}) as object_id,
    cast(null as {{ sql_type('string') }}) as device_id,
    coalesce(_area_code, area_code) as area_code,
    sent_at as occurred_at,
    expires_at as ended_at,
    colour,
    headline_zh as title_zh,
    text_zh,
    cast(null as {{ sql_type('string') }}) as person_key,
    cast(null as {{ sql_type('timestamp') }}) as transmitted_at,
    _lon as lon,
    _lat as lat,
    {{ has_word('_flags', 'late') }} as is_late,
    {{ json_of(['message_type', 'sender', 'area_name', 'effective_at', 'referenced_ids']) }} as attributes,
    'weather.warning' as feed_id,
    'weather' as department_code,
    'natural_hazard' as domain,
    'weather' as subdomain,
    landed_on,
    _batch_id as batch_id,
    _received_at as received_at
  from {{ ref('stg_weather__warning') }}
)

select * from fire__device_state
union all
select * from housing__attendance
union all
select * from transport__driver_behaviour
union all
select * from weather__warning
