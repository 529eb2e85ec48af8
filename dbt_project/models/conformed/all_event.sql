-- One row per event_id. Events of all feeds (事件).
-- Derived from the contracts whose entity is `event` by `cityrisk derive`; not edited by hand.
with
housing__attendance as (
  select
    'housing.attendance:' || record_id as event_id,
    direction as event_type,
    post as event_subtype,
    'housing:' || site_id as object_id,
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

weather__warning as (
  select
    'weather.warning:' || warning_id as event_id,
    signal_type as event_type,
    cast(null as {{ sql_type('string') }}) as event_subtype,
    cast(null as {{ sql_type('string') }}) as object_id,
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

select * from housing__attendance
union all
select * from weather__warning
