-- One row per Beijing day that has readings, and the day of the build: the version of the method that the day is scored by.
-- A day that is over keeps the version that it was published with, through a full refresh too: a version that is dated
-- back must not move what was said. Of several versions in force the one that began last counts.
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key='as_of_date', on_schema_change='fail',
  full_refresh=false
) }}
with days as (
  select device_day.landed_on as as_of_date
  from {{ ref('device_day') }} as device_day
  cross join {{ this_build() }} as build
  where device_day.landed_on <= build.as_of_date
  union
  select as_of_date
  from {{ this_build() }}
),

ranked as (
  select
    days.as_of_date,
    versions.method_version,
    row_number() over (
      partition by days.as_of_date order by versions.valid_from desc, versions.method_version desc
    ) as place
  from days
  inner join {{ ref('method_versions') }} as versions
    on
      days.as_of_date >= versions.valid_from
      and (versions.valid_to is null or days.as_of_date < versions.valid_to)
  {%- if is_incremental() %}
  where
    days.as_of_date = {{ as_of_date() }}
    or days.as_of_date not in (select as_of_date from {{ this }})
  {%- endif %}
)

select as_of_date, method_version
from ranked
where place = 1
