-- One row per device, metric and time. Gaps are absent rows, never zero.
-- depends_on: {{ ref('feeds') }} {{ ref('all_device') }}
-- Days that a build calls affected are written anew; the rest stays. When a device register came, readings of devices
-- that now stand at another object follow them.
{{ config(
  materialized='incremental',
  incremental_strategy='partition_overwrite',
  on_schema_change='fail',
  post_hook="{{ follow_devices() }}"
) }}
select
  feed_id,
  landed_on,
  device_id,
  object_id,
  metric,
  observed_at,
  received_at,
  value,
  quality_flag,
  is_late,
  batch_id
from {{ ref('all_reading') }}
