-- One row per subject, computed day and signal that events give, as its row of signal_bounds takes them: the share of
-- its classes that was seen on a day, persons whose date was over, the worst colour in force. On the day of the build
-- the worst of its open alerts as well: that is danger now, and never news of a day that is over.
{{ config(materialized='view') }}
with n_classes as (
  select method_version, signal_code, count(*) as n
  from {{ ref('signal_classes') }}
  group by method_version, signal_code
),

kinds as (
  select distinct subject_id, object_type from {{ ref('subject_day') }}
),

-- What an event says is read once, not once for each of the days whose window it lies in.
read_event as (
  select
    event.feed_id,
    event.occurred_at,
    event.object_id as subject_id,
    event.person_key,
    bounds.method_version,
    bounds.object_type,
    bounds.signal_code,
    bounds.aggregate,
    n_classes.n as n_classes,
    classes.class,
    {{ read_as(json_text_of('event.attributes', 'bounds.input'), 'date') }} < event.landed_on as is_expired
  from {{ ref('event') }} as event
  inner join kinds on event.object_id = kinds.subject_id
  inner join {{ ref('signal_bounds') }} as bounds
    on
      kinds.object_type = bounds.object_type
      and bounds.kind = 'event'
      and bounds.aggregate in ('classes_share', 'persons_expired')
      and (bounds.event_type is null or bounds.event_type = event.event_type)
  left join n_classes
    on bounds.signal_code = n_classes.signal_code and bounds.method_version = n_classes.method_version
  left join {{ ref('signal_classes') }} as classes
    on
      bounds.signal_code = classes.signal_code
      and bounds.method_version = classes.method_version
      and event.event_subtype = classes.class
),

witnessed as (
  select
    reference.as_of_date,
    read_event.subject_id,
    read_event.signal_code,
    read_event.aggregate,
    read_event.n_classes,
    {{ days_back('read_event.occurred_at', 'reference.window_ends_at') }} as days_back,
    read_event.person_key,
    read_event.class,
    read_event.is_expired
  from {{ ref('feed_reference') }} as reference
  inner join {{ ref('method') }} as method on reference.method_version = method.method_version
  inner join read_event
    on
      reference.feed_id = read_event.feed_id
      and method.method_version = read_event.method_version
      and read_event.occurred_at < reference.window_ends_at
      and read_event.occurred_at
      >= {{ seconds_later('reference.window_ends_at', '-86400 * method.attendance_window_days') }}
  inner join {{ ref('subject_day') }} as subject
    on
      read_event.subject_id = subject.subject_id
      and reference.as_of_date = subject.as_of_date
      and read_event.object_type = subject.object_type
),

warned as (
  select
    subject.subject_id,
    risk_day.as_of_date,
    bounds.signal_code,
    max(ranks.severity_rank) as severity_rank
  from {{ ref('risk_day') }} as risk_day
  inner join {{ ref('method') }} as method on risk_day.method_version = method.method_version
  inner join {{ ref('signal_bounds') }} as bounds
    on method.method_version = bounds.method_version and bounds.kind = 'event' and bounds.aggregate = 'worst_colour'
  inner join {{ ref('event') }} as event
    on
      bounds.subdomain = event.subdomain
      and (bounds.event_type is null or bounds.event_type = event.event_type)
      and event.colour is not null
      and event.occurred_at < risk_day.ends_at
      and coalesce(event.ended_at, {{ beijing_midnight(days_later('event.landed_on', 'method.warning_carry_days')) }})
      > risk_day.starts_at
  inner join {{ ref('colour_ranks') }} as ranks on event.colour = ranks.colour
  inner join {{ ref('risk_area') }} as city on city.is_city
  inner join {{ ref('subject_day') }} as subject
    on
      risk_day.as_of_date = subject.as_of_date
      and bounds.object_type = subject.object_type
      and (event.area_code = city.area_code or substr(subject.area_code, 1, length(event.area_code)) = event.area_code)
  group by subject.subject_id, risk_day.as_of_date, bounds.signal_code
),

alerted as (
  select
    subject.subject_id,
    risk_day.as_of_date,
    bounds.signal_code,
    max(cast(alert.severity_rank as integer)) as severity_rank
  from {{ ops('alert') }} as alert
  inner join {{ ref('risk_day') }} as risk_day on risk_day.is_today
  inner join {{ ref('subject_day') }} as subject
    on alert.object_id = subject.subject_id and risk_day.as_of_date = subject.as_of_date
  inner join {{ ref('signal_bounds') }} as bounds
    on
      bounds.kind = 'alert'
      and risk_day.method_version = bounds.method_version
      and subject.object_type = bounds.object_type
  where
    {{ is_open_alert('alert') }}
  group by subject.subject_id, risk_day.as_of_date, bounds.signal_code
),

coloured as (
  select * from warned
  union all
  select * from alerted
)

select
  subject_id,
  as_of_date,
  signal_code,
  case aggregate
    when 'classes_share'
      then count(distinct case when class is not null then (days_back, class) end)
        / (max(n_classes) * count(distinct days_back))
    else count(distinct case when is_expired then person_key end)
  end as raw_value,
  cast(null as {{ sql_type('string') }}) as raw_class
from witnessed
group by subject_id, as_of_date, signal_code, aggregate
union all
select
  coloured.subject_id,
  coloured.as_of_date,
  coloured.signal_code,
  cast(null as {{ sql_type('number') }}) as raw_value,
  ranks.colour as raw_class
from coloured
inner join {{ ref('colour_ranks') }} as ranks on coloured.severity_rank = ranks.severity_rank
