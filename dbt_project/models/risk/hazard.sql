-- One row per subject, day and signal of hazard: how hard it can strike, 0 to 1.
{{ config(
  materialized='incremental', incremental_strategy='delete+insert', unique_key='as_of_date', on_schema_change='fail'
) }}
select
  as_of_date,
  subject_id,
  signal_code,
  raw_value,
  raw_class,
  intensity,
  weight,
  is_dynamic,
  is_assumed,
  method_version
from {{ ref('signal') }}
where component = 'hazard'
