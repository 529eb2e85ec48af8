-- One row per department: those of the list, and those that only a contract names.
with contracted as (
  select
    department_code,
    min(department_zh) as name_zh,
    count(*) as n_feeds
  from {{ ref('feeds') }}
  group by department_code
)

select
  coalesce(listed.department_code, contracted.department_code) as department_code,
  coalesce(listed.name_zh, contracted.name_zh) as name_zh,
  coalesce(listed.name_en, contracted.department_code) as name_en,
  coalesce(contracted.n_feeds, 0) as n_feeds
from {{ ref('departments') }} as listed
full join contracted on listed.department_code = contracted.department_code
