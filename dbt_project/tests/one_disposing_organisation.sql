-- Each kind of risk in each city resolves to exactly one disposing organisation, and that one is in the tree. A part of
-- a city may have a row of one kind alone: the city's own row answers for its other kinds.
with duty as (
  select responsibility.area_code, responsibility.risk_type, count(*) as n, count(organisations.organisation_id) as n_known
  from {{ ref('responsibility') }} as responsibility
  left join {{ ref('organisations') }} as organisations
    on responsibility.organisation_id = organisations.organisation_id
  where responsibility.role = 'dispose' and responsibility.valid_to is null
  group by responsibility.area_code, responsibility.risk_type
),

kind as (
  select factor as risk_type from {{ ref('risk_factor_weights') }} where level = 'subdomain'
  union
  select subdomain as risk_type from {{ ref('kinds') }}
),

wanted as (
  select cities.area_code, kind.risk_type
  from (
    select distinct area_code from {{ ref('responsibilities') }}
    where area_code in (select city_code from {{ ref('organisations') }})
  ) as cities
  cross join kind
)

select wanted.area_code, wanted.risk_type, duty.n
from wanted
left join duty on wanted.area_code = duty.area_code and wanted.risk_type = duty.risk_type
where duty.n is null or duty.n <> 1 or duty.n_known <> 1
