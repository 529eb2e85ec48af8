-- One row per subject, computed day and signal: its value on the method's fixed bounds, 0 harmless to 1 worst
-- (for capacity: 0 none to 1 full). The days of this build are written anew; the others stay as they were computed.
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key='as_of_date', on_schema_change='fail'
) }}
with told as (
  select * from {{ ref('signal_register') }}
  union all
  select * from {{ ref('signal_reading') }}
  union all
  select * from {{ ref('signal_inspection') }}
  union all
  select * from {{ ref('signal_event') }}
  union all
  select * from {{ ref('signal_device') }}
),

expected as (
  select
    subject_day.subject_id,
    subject_day.as_of_date,
    bounds.signal_code
  from {{ ref('subject_day') }} as subject_day
  inner join {{ ref('signal_bounds') }} as bounds
    on
      subject_day.object_type = bounds.object_type
      and subject_day.method_version = bounds.method_version
      and bounds.when_missing is not null
  left join told
    on
      subject_day.subject_id = told.subject_id
      and subject_day.as_of_date = told.as_of_date
      and bounds.signal_code = told.signal_code
      and (told.raw_value is not null or told.raw_class is not null)
  where told.subject_id is null
),

valued as (
  select subject_id, as_of_date, signal_code, raw_value, raw_class, false as is_assumed
  from told
  union all
  select
    subject_id,
    as_of_date,
    signal_code,
    cast(null as {{ sql_type('number') }}) as raw_value,
    cast(null as {{ sql_type('string') }}) as raw_class,
    true as is_assumed
  from expected
)

select
  valued.subject_id,
  valued.as_of_date,
  valued.signal_code,
  bounds.component,
  valued.raw_value,
  case when bounds.unit = 'class' then valued.raw_class end as raw_class,
  case
    when valued.is_assumed then bounds.when_missing
    when bounds.unit = 'class' then classes.intensity
    else {{ bounded('valued.raw_value', 'bounds.low', 'bounds.high', 'bounds.scale') }}
  end as intensity,
  bounds.weight,
  bounds.is_dynamic,
  valued.is_assumed,
  bounds.method_version
from valued
inner join {{ ref('subject_day') }} as subject_day
  on valued.subject_id = subject_day.subject_id and valued.as_of_date = subject_day.as_of_date
inner join {{ ref('signal_bounds') }} as bounds
  on valued.signal_code = bounds.signal_code and subject_day.method_version = bounds.method_version
left join {{ ref('signal_classes') }} as classes
  on
    valued.signal_code = classes.signal_code
    and bounds.method_version = classes.method_version
    and valued.raw_class = classes.class
where
  valued.is_assumed
  or (bounds.unit = 'class' and classes.intensity is not null)
  or (bounds.unit <> 'class' and valued.raw_value is not null)
