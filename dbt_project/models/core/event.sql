-- One row per event that a department reported: warnings, gate passages.
{{ config(
  materialized='incremental',
  incremental_strategy='partition_overwrite',
  unique_key='event_id',
  on_schema_change='fail'
) }}
select
  feed_id,
  landed_on,
  event_id,
  department_code,
  domain,
  subdomain,
  event_type,
  event_subtype,
  object_id,
  area_code,
  lon,
  lat,
  occurred_at,
  ended_at,
  colour,
  title_zh,
  text_zh,
  person_key,
  transmitted_at,
  is_late,
  attributes,
  batch_id,
  received_at
from {{ ref('all_event') }}
