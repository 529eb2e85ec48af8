-- One row per metric that a feed may report.
select
  metric,
  unit,
  name_zh,
  name_en
from {{ ref('metrics') }}
