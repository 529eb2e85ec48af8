-- One row per subject, computed day and signal that readings give: the worst of its devices.
-- While a whole feed is quiet its last values stand; a single quiet device counts a few days more, then no longer. What
-- a device said where it stood before it was moved says nothing of the object where it stands now.
{{ config(materialized='view') }}
with device_value as (
  select
    reference.as_of_date,
    reference.method_version,
    daily.landed_on,
    daily.device_id,
    daily.metric,
    daily.min_value,
    daily.max_value,
    daily.range_value,
    daily.hour_sum,
    row_number() over (
      partition by reference.as_of_date, daily.device_id, daily.metric
      order by daily.landed_on desc, daily.feed_id
    ) as place
  from {{ ref('feed_reference') }} as reference
  inner join {{ ref('method') }} as method on reference.method_version = method.method_version
  inner join {{ ref('device_value') }} as daily
    on
      reference.feed_id = daily.feed_id
      and daily.landed_on <= reference.reference_on
      and daily.landed_on > {{ days_later('reference.reference_on', '-method.carry_days') }}
),

measured as (
  select
    device_value.as_of_date,
    device_value.method_version,
    subject.subject_id,
    bounds.signal_code,
    bounds.object_type,
    bounds.input as metric,
    bounds.relation,
    {{ read_as(json_text_of('subject.attributes', 'bounds.relative_to'), 'number') }} as stated,
    bounds.low < bounds.high as is_rising,
    min(case bounds.aggregate when 'min' then device_value.min_value when 'max' then device_value.max_value
      when 'range' then device_value.range_value else device_value.hour_sum end) as least_value,
    max(case bounds.aggregate when 'min' then device_value.min_value when 'max' then device_value.max_value
      when 'range' then device_value.range_value else device_value.hour_sum end) as greatest_value
  from device_value
  inner join {{ ref('registered_device') }} as device
    on device_value.device_id = device.device_id and device_value.as_of_date = device.as_of_date
  left join {{ ref('device_version') }} as stood
    on
      device_value.device_id = stood.device_id
      and stood.valid_from <= {{ beijing_midnight(days_later('device_value.landed_on', 1)) }}
      and (stood.valid_to is null or stood.valid_to > {{ beijing_midnight(days_later('device_value.landed_on', 1)) }})
  inner join {{ ref('subject_day') }} as subject
    on device.subject_id = subject.subject_id and device.as_of_date = subject.as_of_date
  inner join {{ ref('signal_bounds') }} as bounds
    on
      device_value.method_version = bounds.method_version
      and subject.object_type = bounds.object_type
      and device_value.metric = bounds.input
      and bounds.kind = 'reading'
  where
    device_value.place = 1
    and (stood.device_id is null or coalesce(stood.object_id, stood.device_id) = device.subject_id)
  group by
    device_value.as_of_date, device_value.method_version, subject.subject_id, bounds.signal_code, bounds.object_type,
    bounds.input, bounds.relation, stated, is_rising
),

limited as (
  select
    measured.*,
    case
      when measured.relation = 'ratio_limit'
        then limits.depth_from_m
          + (limits.depth_to_m - limits.depth_from_m)
          * (measured.stated - limits.height_from_m) / (limits.height_to_m - limits.height_from_m)
      else measured.stated
    end as limit_value
  from measured
  left join {{ ref('depth_limits') }} as limits
    on
      measured.relation = 'ratio_limit'
      and measured.method_version = limits.method_version
      and measured.object_type = limits.object_type
      and measured.metric = limits.metric
      and measured.stated >= limits.height_from_m
      and measured.stated < limits.height_to_m
)

select
  subject_id,
  as_of_date,
  signal_code,
  case
    when relation in ('ratio', 'ratio_limit')
      then case when is_rising then greatest_value else least_value end / nullif(limit_value, 0)
    when relation = 'margin_below' then limit_value - greatest_value
    when is_rising then greatest_value
    else least_value
  end as raw_value,
  cast(null as {{ sql_type('string') }}) as raw_class
from limited
