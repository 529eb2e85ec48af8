-- One row per feed, Beijing day, device and metric that has readings: a small table for who reported, when and how much.
{{ config(materialized='incremental', incremental_strategy='partition_overwrite', on_schema_change='fail') }}
select
  feed_id,
  landed_on,
  device_id,
  metric,
  count(*) as n,
  sum(case when quality_flag <> 'normal' then 1 else 0 end) as n_flagged,
  min(observed_at) as first_observed_at,
  max(observed_at) as last_observed_at,
  max(received_at) as last_received_at
from {{ ref('reading') }}
{% if is_incremental() %}
where (feed_id, landed_on) in (
  select feed_id, cast(landed_on as date) from {{ landed_manifest() }} where is_affected
)
{% endif %}
group by feed_id, landed_on, device_id, metric
