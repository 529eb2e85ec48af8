-- One row per device: those of the registers, and those that no register names (any more) but readings do
-- (is_registered = false).
with registered as (
  {{ latest_by_key(ref('device_version'), ['device_id'], ['valid_from']) }}
),

seen_metric as (
  select
    device_id,
    metric,
    min(feed_id) as feed_id,
    min(first_observed_at) as first_observed_at,
    max(last_observed_at) as last_observed_at,
    max(last_received_at) as last_received_at,
    sum(n) as n_readings
  from {{ ref('device_day') }}
  group by device_id, metric
),

seen as (
  select
    device_id,
    min(feed_id) as feed_id,
    {{ list_text('metric') }} as metric_list,
    min(first_observed_at) as first_observed_at,
    max(last_observed_at) as last_observed_at,
    max(last_received_at) as last_received_at,
    sum(n_readings) as n_readings
  from seen_metric
  group by device_id
)

select
  coalesce(registered.device_id, seen.device_id) as device_id,
  registered.object_id,
  coalesce(registered.department_code, feeds.department_code) as department_code,
  coalesce(registered.domain, feeds.domain) as domain,
  coalesce(registered.subdomain, feeds.subdomain) as subdomain,
  coalesce(registered.feed_id, seen.feed_id) as feed_id,
  seen.feed_id as reading_feed_id,
  registered.device_id is not null and registered.valid_to is null as is_registered,
  registered.name_zh,
  registered.protocol,
  coalesce(seen.metric_list, registered.metric_list) as metric_list,
  coalesce(registered.area_code, objects.area_code) as area_code,
  coalesce(registered.lon, objects.lon) as lon,
  coalesce(registered.lat, objects.lat) as lat,
  registered.installed_on,
  registered.updated_at,
  registered.attributes,
  registered.valid_from,
  registered.valid_to,
  registered.is_since_unknown,
  seen.first_observed_at,
  seen.last_observed_at,
  seen.last_received_at,
  coalesce(seen.n_readings, 0) as n_readings
from registered
full join seen on registered.device_id = seen.device_id
left join {{ ref('feeds') }} as feeds on seen.feed_id = feeds.feed_id
left join {{ ref('latest_object') }} as objects on registered.object_id = objects.object_id
