-- One row per subject, computed day and signal that events give: key posts seen at the gate, expired certificates,
-- the highest weather warning in force.
{{ config(materialized='view') }}
with passage as (
  select
    reference.as_of_date,
    reference.method_version,
    event.object_id as subject_id,
    event.landed_on,
    event.person_key,
    post.class as key_post,
    {{ read_as(json_text('event.attributes', 'certificate_expires_on'), 'date') }} < event.landed_on as is_expired
  from {{ ref('feed_reference') }} as reference
  inner join {{ ref('method') }} as method on reference.method_version = method.method_version
  inner join {{ ref('event') }} as event
    on
      reference.feed_id = event.feed_id
      and event.landed_on <= reference.reference_on
      and event.landed_on > {{ days_later('reference.reference_on', '-method.attendance_window_days') }}
      and event.subdomain = 'construction'
      and event.event_type = 'in'
  left join {{ ref('signal_classes') }} as post
    on
      post.signal_code = 'cs_key_posts'
      and post.method_version = method.method_version
      and event.event_subtype = post.class
),

key_post as (
  select method_version, count(*) as n
  from {{ ref('signal_classes') }}
  where signal_code = 'cs_key_posts'
  group by method_version
),

site as (
  select
    passage.subject_id,
    passage.as_of_date,
    passage.method_version,
    count(distinct case when passage.key_post is not null then (passage.landed_on, passage.key_post) end)
      / (max(key_post.n) * count(distinct passage.landed_on)) as key_posts_present_share,
    count(distinct case when passage.is_expired then passage.person_key end) as expired_certificates
  from passage
  inner join key_post on passage.method_version = key_post.method_version
  group by passage.subject_id, passage.as_of_date, passage.method_version
),

warned as (
  select
    subject.subject_id,
    risk_day.as_of_date,
    max(ranks.severity_rank) as severity_rank
  from {{ ref('risk_day') }} as risk_day
  inner join {{ ref('method') }} as method on risk_day.method_version = method.method_version
  inner join {{ ref('event') }} as event
    on
      event.subdomain = 'weather'
      and event.colour is not null
      and event.occurred_at < risk_day.ends_at
      and coalesce(event.ended_at, {{ beijing_midnight(days_later('event.landed_on', 'method.warning_carry_days')) }})
      > risk_day.starts_at
  inner join {{ ref('colour_ranks') }} as ranks on event.colour = ranks.colour
  inner join {{ ref('risk_area') }} as city on city.is_city
  inner join {{ ref('subject') }} as subject
    on
      subject.subdomain = 'weather'
      and (event.area_code = city.area_code or substr(subject.area_code, 1, length(event.area_code)) = event.area_code)
  group by subject.subject_id, risk_day.as_of_date
)

select
  site.subject_id,
  site.as_of_date,
  bounds.signal_code,
  case bounds.input
    when 'key_posts_present_share' then site.key_posts_present_share
    when 'expired_certificates' then site.expired_certificates
  end as raw_value,
  cast(null as {{ sql_type('string') }}) as raw_class
from site
inner join {{ ref('subject') }} as subject on site.subject_id = subject.subject_id
inner join {{ ref('signal_bounds') }} as bounds
  on
    subject.object_type = bounds.object_type
    and site.method_version = bounds.method_version
    and bounds.kind = 'event'
union all
select
  warned.subject_id,
  warned.as_of_date,
  'ws_warning' as signal_code,
  cast(null as {{ sql_type('number') }}) as raw_value,
  ranks.colour as raw_class
from warned
inner join {{ ref('colour_ranks') }} as ranks on warned.severity_rank = ranks.severity_rank
