-- One row per subject, computed day and signal that inspections give: open findings, share put right, how often.
{{ config(materialized='view') }}
with windowed as (
  select
    reference.as_of_date,
    reference.method_version,
    inspection.object_id as subject_id,
    inspection.landed_on,
    inspection.result,
    inspection.findings,
    coalesce(inspection.rectified_at < reference.window_ends_at, false) as is_rectified,
    inspection.inspected_at
    >= {{ seconds_later('reference.window_ends_at', '-86400 * method.inspection_count_days') }} as is_counted
  from {{ ref('feed_reference') }} as reference
  inner join {{ ref('method') }} as method on reference.method_version = method.method_version
  inner join {{ ref('inspection') }} as inspection
    on
      reference.feed_id = inspection.feed_id
      and inspection.inspected_at < reference.window_ends_at
      and inspection.inspected_at
      >= {{ seconds_later('reference.window_ends_at', '-86400 * method.inspection_window_days') }}
),

counted as (
  select
    subject_id,
    as_of_date,
    method_version,
    sum(case when result = 'fail' and not is_rectified then greatest(findings, 1) else 0 end) as open_findings,
    sum(case when result = 'fail' and is_rectified then 1 else 0 end)
      / nullif(sum(case when result = 'fail' then 1.0 else 0.0 end), 0) as rectified_share,
    sum(case when is_counted then 1 else 0 end) as inspections_7d
  from windowed
  group by subject_id, as_of_date, method_version
)

select
  counted.subject_id,
  counted.as_of_date,
  bounds.signal_code,
  case bounds.input
    when 'open_findings' then counted.open_findings
    when 'rectified_share' then counted.rectified_share
    when 'inspections_7d' then counted.inspections_7d
  end as raw_value,
  cast(null as {{ sql_type('string') }}) as raw_class
from counted
inner join {{ ref('subject_day') }} as subject
  on counted.subject_id = subject.subject_id and counted.as_of_date = subject.as_of_date
inner join {{ ref('signal_bounds') }} as bounds
  on
    subject.object_type = bounds.object_type
    and counted.method_version = bounds.method_version
    and bounds.kind = 'inspection'
