-- One row per Beijing day whose risk this build computes: from the first day whose facts changed to the day of the
-- build. Days before it keep what was computed then. The newest days, and those from the last build on, are always
-- computed: they were not over before.
-- A day that is over is looked at whole. The day of the build is the 24 hours up to the build: at ten in the morning it
-- is compared with as many hours as the day before has, and nothing changes at midnight but the name of the day.
with facts as (
  select feed_id
  from {{ ref('feeds') }}
  where entities like '%reading%' or entities like '%event%' or entities like '%inspection%'
),

changed as (
  select min(cast(manifest.landed_on as date)) as first_day
  from {{ landed_manifest() }} as manifest
  left join facts on manifest.feed_id = facts.feed_id
  where manifest.is_affected and (facts.feed_id is not null or manifest.is_changed)
),

reporting as (
  select device_day.landed_on, device.department_code, count(distinct device_day.device_id) as n
  from {{ ref('device_day') }} as device_day
  inner join {{ ref('device') }} as device on device_day.device_id = device.device_id
  group by device_day.landed_on, device.department_code
),

registered as (
  select department_code, count(*) as n
  from {{ ref('device') }}
  where is_registered
  group by department_code
),

-- How far back is computed at all is asked of the method of today.
today as (
  select method.*
  from {{ this_build() }} as build
  inner join {{ ref('method_day') }} as method_day on build.as_of_date = method_day.as_of_date
  inner join {{ ref('method') }} as method on method_day.method_version = method.method_version
),

-- Late rows may reach back before the city's data begin; a day on which hardly a device reports does not open history.
-- Each department counts for itself: one that joins later must not take away the days that others had before.
opening as (
  select min(reporting.landed_on) as first_on
  from reporting
  inner join registered on reporting.department_code = registered.department_code
  cross join today
  where reporting.n >= today.opening_share * registered.n
),

days as (
  select distinct reporting.landed_on as as_of_date
  from reporting
  where reporting.landed_on >= (select first_on from opening)
  union
  select as_of_date
  from {{ this_build() }}
),

ended as (
  select days.as_of_date, least({{ beijing_midnight(days_later('days.as_of_date', 1)) }}, build.as_of) as ends_at
  from days
  cross join {{ this_build() }} as build
)

select
  days.as_of_date,
  {{ seconds_later('days.ends_at', -86400) }} as starts_at,
  days.ends_at,
  days.as_of_date = build.as_of_date as is_today,
  method_day.method_version
from ended as days
cross join {{ this_build() }} as build
cross join today
cross join changed
inner join {{ ref('method_day') }} as method_day on days.as_of_date = method_day.as_of_date
where
  days.as_of_date <= build.as_of_date
  and days.as_of_date > {{ days_later('build.as_of_date', '-today.history_days') }}
  and (
    build.is_full_refresh
    or days.as_of_date >= changed.first_day
    or days.as_of_date >= build.last_built_on
    or days.as_of_date >= {{ days_later('build.as_of_date', '-today.settle_days') }}
  )
