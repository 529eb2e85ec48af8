-- One row per feed, Beijing day, device, metric and hour. Values are those of sound readings; flagged ones are counted only.
{{ config(materialized='incremental', incremental_strategy='partition_overwrite', on_schema_change='fail') }}
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
  cast(sum(case when quality_flag = 'normal' then 0 else 1 end) as bigint) as n_flagged,
  cast(sum(case when quality_flag = 'fault' then 1 else 0 end) as bigint) as n_fault
from {{ ref('reading') }}
{%- if is_incremental() %}
where (feed_id, landed_on) in (
  select feed_id, cast(landed_on as date) from {{ landed_manifest() }} where is_affected
)
{%- endif %}
group by feed_id, landed_on, device_id, metric, {{ hour_of('observed_at') }}
