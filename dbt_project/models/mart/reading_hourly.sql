-- One row per device, metric and hour. Values are those of sound readings; flagged ones are counted only.
{{ config(materialized='incremental', incremental_strategy='partition_overwrite', on_schema_change='fail') }}
with hourly as (
  select
    feed_id,
    landed_on,
    device_id,
    metric,
    {{ hour_of('observed_at') }} as hour,
    avg(case when quality_flag = 'normal' then value end) as mean_value,
    min(case when quality_flag = 'normal' then value end) as min_value,
    max(case when quality_flag = 'normal' then value end) as max_value,
    count(*) as n,
    sum(case when quality_flag = 'normal' then 0 else 1 end) as n_flagged,
    sum(case when quality_flag = 'fault' then 1 else 0 end) as n_fault
  from {{ ref('reading') }}
  {%- if is_incremental() %}
  where (feed_id, landed_on) in (
    select feed_id, cast(landed_on as date) from {{ landed_manifest() }} where is_affected
  )
  {%- endif %}
  group by feed_id, landed_on, device_id, metric, {{ hour_of('observed_at') }}
)

select
  hourly.device_id,
  hourly.metric,
  metrics.unit,
  hourly.hour,
  hourly.mean_value,
  hourly.min_value,
  hourly.max_value,
  hourly.n,
  cast(hourly.n_flagged as bigint) as n_flagged,
  cast(hourly.n_fault as bigint) as n_fault,
  hourly.feed_id,
  hourly.landed_on
from hourly
left join {{ ref('metrics') }} as metrics on hourly.metric = metrics.metric
