-- One row per feed, Beijing day, device and metric: what the day's sound readings say, from the hourly roll-up.
-- hour_sum adds the mean of each hour: the day's total of a metric that counts by the hour, whatever its cadence.
{{ config(materialized='incremental', incremental_strategy='partition_overwrite', on_schema_change='fail') }}
select
  feed_id,
  landed_on,
  device_id,
  metric,
  min(min_value) as min_value,
  max(max_value) as max_value,
  max(max_value) - min(min_value) as range_value,
  sum(mean_value) as hour_sum
from {{ ref('reading_hour') }}
where
  mean_value is not null
  {%- if is_incremental() %}
  and (feed_id, landed_on) in (
    select feed_id, cast(landed_on as date) from {{ landed_manifest() }} where is_affected
  )
  {%- endif %}
group by feed_id, landed_on, device_id, metric
