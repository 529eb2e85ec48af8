-- One row per subject, computed day and signal that its devices give: how many, and what share of them reports.
-- Online means: has reported up to the newest day that the whole feed has, so that a quiet feed takes no device off.
{{ config(materialized='view') }}
with reporting as (
  select distinct
    reference.as_of_date,
    device_day.device_id
  from {{ ref('feed_reference') }} as reference
  inner join {{ ref('method') }} as method on reference.method_version = method.method_version
  inner join {{ ref('device_day') }} as device_day
    on
      reference.feed_id = device_day.feed_id
      and device_day.landed_on <= reference.reference_on
      and device_day.last_observed_at
      >= {{ seconds_later('reference.window_ends_at', '-86400 * method.online_days') }}
),

counted as (
  select
    device.subject_id,
    device.as_of_date,
    device.method_version,
    count(*) as devices,
    count(reporting.device_id) / cast(count(*) as {{ sql_type('number') }}) as online_share
  from {{ ref('registered_device') }} as device
  left join reporting
    on device.device_id = reporting.device_id and device.as_of_date = reporting.as_of_date
  group by 1, 2, 3
)

select
  counted.subject_id,
  counted.as_of_date,
  bounds.signal_code,
  case bounds.input when 'devices' then counted.devices when 'online_share' then counted.online_share end as raw_value,
  cast(null as {{ sql_type('string') }}) as raw_class
from counted
inner join {{ ref('subject_day') }} as subject
  on counted.subject_id = subject.subject_id and counted.as_of_date = subject.as_of_date
inner join {{ ref('signal_bounds') }} as bounds
  on
    subject.object_type = bounds.object_type
    and counted.method_version = bounds.method_version
    and bounds.kind = 'device'
