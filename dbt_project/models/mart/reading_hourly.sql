-- One row per device, metric and hour, with the unit. Values are those of sound readings; flagged ones are counted only.
{{ config(materialized='incremental', incremental_strategy='partition_overwrite', on_schema_change='fail') }}
select
  hourly.device_id,
  hourly.metric,
  metrics.unit,
  hourly.hour,
  hourly.mean_value,
  hourly.min_value,
  hourly.max_value,
  hourly.n,
  hourly.n_flagged,
  hourly.n_fault,
  hourly.feed_id,
  hourly.landed_on
from {{ ref('reading_hour') }} as hourly
left join {{ ref('metrics') }} as metrics on hourly.metric = metrics.metric
{%- if is_incremental() %}
where (hourly.feed_id, hourly.landed_on) in (
  select feed_id, cast(landed_on as date) from {{ landed_manifest() }} where is_affected
)
{%- endif %}
