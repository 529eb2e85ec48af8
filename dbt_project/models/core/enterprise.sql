-- One row per enterprise that a register names.
-- Two registers mean the same enterprise when their credit codes agree; without a sound code, when name and county
-- agree with an enterprise that is the only one of that name there.
with named as (
  select * from {{ ref('int_enterprise_match') }}
),

ranked as (
  select
    *,
    row_number() over (
      partition by enterprise_id
      order by case when credit_code is null then 1 else 0 end, received_at desc, object_id
    ) as place
  from named
),

counted as (
  select
    enterprise_id,
    count(*) as n_objects,
    count(distinct department_code) as n_departments
  from named
  group by enterprise_id
)

select
  ranked.enterprise_id,
  ranked.credit_code,
  ranked.enterprise_name as name_zh,
  ranked.county_code as area_code,
  counted.n_objects,
  counted.n_departments
from ranked
inner join counted on ranked.enterprise_id = counted.enterprise_id
where ranked.place = 1
