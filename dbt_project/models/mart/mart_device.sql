-- One row per device: does it report. faulty: all readings of its newest hour are marked as faults; silent: nothing
-- within the time after which its feed counts as silent.
{{ config(alias='device') }}
with newest_hour as (
  select
    device_id,
    max_by(n_fault = n, hour) as is_faulty
  from (
    select device_id, hour, sum(n_fault) as n_fault, sum(n) as n
    from {{ ref('reading_hourly') }}
    where landed_on >= {{ days_later(as_of_date(), '-7') }}
    group by device_id, hour
  ) as by_hour
  group by device_id
)

select
  device.device_id,
  device.object_id,
  device.protocol,
  device.metric_list,
  case
    when device.last_observed_at is null
      or {{ seconds_between('device.last_observed_at', as_of()) }} > feeds.silent_after_s then 'silent'
    when newest_hour.is_faulty then 'faulty'
    else 'online'
  end as status,
  device.last_observed_at,
  device.name_zh,
  device.department_code,
  device.domain,
  device.subdomain,
  device.feed_id,
  device.area_code,
  device.lon,
  device.lat,
  device.installed_on,
  device.is_registered,
  device.n_readings
from {{ ref('device') }} as device
left join {{ ref('feeds') }} as feeds on coalesce(device.reading_feed_id, device.feed_id) = feeds.feed_id
left join newest_hour on device.device_id = newest_hour.device_id
