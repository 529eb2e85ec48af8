-- One row per unit and hazardous substance, of the newest register that names the unit.
with latest as (
  {{ latest_by_key(ref('all_substance'), ['object_id', 'cas_no'], ['received_at', 'batch_id']) }}
)

select
  object_id,
  cas_no,
  substance_name_zh,
  hazard_class,
  design_max_t,
  attributes,
  feed_id,
  department_code,
  batch_id,
  received_at
from latest
