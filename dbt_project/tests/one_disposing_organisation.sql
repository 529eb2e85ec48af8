-- Each kind of risk in each city resolves to exactly one disposing organisation, and that one is in the tree.
with duty as (
  select responsibilities.area_code, responsibilities.risk_type, count(*) as n, count(organisations.organisation_id) as n_known
  from {{ ref('responsibilities') }} as responsibilities
  left join {{ ref('organisations') }} as organisations
    on responsibilities.organisation_id = organisations.organisation_id
  where responsibilities.role = 'dispose' and responsibilities.valid_to is null
  group by responsibilities.area_code, responsibilities.risk_type
),

wanted as (
  select cities.area_code, subdomains.factor as risk_type
  from (select distinct area_code from {{ ref('responsibilities') }}) as cities
  cross join (select distinct factor from {{ ref('risk_factor_weights') }} where level = 'subdomain') as subdomains
)

select wanted.area_code, wanted.risk_type, duty.n
from wanted
left join duty on wanted.area_code = duty.area_code and wanted.risk_type = duty.risk_type
where duty.n is null or duty.n <> 1 or duty.n_known <> 1
