-- One row per column of what stays inside the warehouse: core and risk tables, and the landed feeds as their contracts
-- describe them.
{{ described_columns(['core', 'risk']) }}
union all
select
  columns.table_name,
  columns.column_name,
  columns.label_zh as description_zh,
  columns.description_en,
  columns.unit,
  feeds.owner,
  columns.sensitivity
from {{ ref('feed_columns') }} as columns
inner join {{ ref('feeds') }} as feeds on columns.feed_id = feeds.feed_id
