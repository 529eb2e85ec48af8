-- One row per inspection of an object.
{{ config(
  materialized='incremental',
  incremental_strategy='partition_overwrite',
  unique_key='inspection_id',
  on_schema_change='fail'
) }}
select
  feed_id,
  landed_on,
  inspection_id,
  department_code,
  domain,
  subdomain,
  object_id,
  inspected_at,
  item,
  result,
  findings,
  rectified_at,
  due_on,
  person_key,
  transmitted_at,
  is_late,
  attributes,
  batch_id,
  received_at
from {{ ref('all_inspection') }}
