-- One row per risk type, area, role and first day in force: which organisation answers for it.
-- A kind of risk that a feed tells of and no row names is answered for by the department that owns it: it monitors and
-- disposes. Who leads, builds and commands is whoever does so for all other kinds of that domain in the city. Where
-- neither is known, the city itself.
with listed as (
  select
    domain,
    risk_type,
    area_code,
    role,
    organisation_id,
    cast(valid_from as date) as valid_from,
    cast(valid_to as date) as valid_to,
    basis_document
  from {{ ref('responsibilities') }}
),

post as (
  select area_code, role, min(valid_from) as valid_from
  from listed
  group by area_code, role
),

-- Each role of a domain in a city, with its holder where all kinds have the same.
usual as (
  select
    area_code,
    domain,
    role,
    case when min(organisation_id) = max(organisation_id) then min(organisation_id) end as organisation_id
  from listed
  group by area_code, domain, role
),

-- A kind that two domains tell of is one kind of risk.
first_domain as (
  select subdomain, min(domain) as domain
  from {{ ref('kinds') }}
  group by subdomain
),

ruled as (
  select
    kinds.subdomain as risk_type,
    post.area_code,
    post.role,
    case
      when post.role in ('responsible', 'monitor', 'dispose') then owner.organisation_id
      else usual.organisation_id
    end as organisation_id,
    post.valid_from
  from {{ ref('kinds') }} as kinds
  inner join first_domain on kinds.subdomain = first_domain.subdomain and kinds.domain = first_domain.domain
  cross join post
  left join usual
    on kinds.domain = usual.domain and post.area_code = usual.area_code and post.role = usual.role
  left join {{ ref('organisation') }} as owner
    on post.area_code || ':' || kinds.department_code = owner.organisation_id
  left join listed
    on kinds.subdomain = listed.risk_type and post.area_code = listed.area_code and post.role = listed.role
  where listed.role is null
)

select
  risk_type,
  area_code,
  role,
  organisation_id,
  valid_from,
  valid_to,
  basis_document
from listed
union all
select
  risk_type,
  area_code,
  role,
  coalesce(organisation_id, area_code) as organisation_id,
  valid_from,
  cast(null as date) as valid_to,
  '默认：数据主责部门' as basis_document
from ruled
