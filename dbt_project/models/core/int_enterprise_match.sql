-- One row per risk object that names its enterprise: which enterprise that is, and what matched.
-- A credit code whose check digit is wrong is no evidence, so such objects are matched by name and place.
{{ config(materialized='ephemeral') }}
with named as (
  select
    object_id,
    department_code,
    received_at,
    case when {{ has_word('flags', 'bad_check_digit') }} then null else nullif(credit_code, '') end as credit_code,
    coalesce(enterprise_name, name_zh) as enterprise_name,
    {{ bare_name('coalesce(enterprise_name, name_zh)') }} as bare_name,
    substr(area_code, 1, 6) as county_code
  from {{ ref('latest_object') }}
  where enterprise_name is not null or nullif(credit_code, '') is not null
),

known_by_name as (
  select
    bare_name,
    county_code,
    min(credit_code) as credit_code
  from named
  where credit_code is not null
  group by bare_name, county_code
  having count(distinct credit_code) = 1
)

select
  named.object_id,
  named.department_code,
  named.received_at,
  coalesce(named.credit_code, known_by_name.credit_code) as credit_code,
  named.enterprise_name,
  named.county_code,
  case
    when named.credit_code is not null then 'credit_code'
    when known_by_name.credit_code is not null then 'name_and_place_of_known'
    else 'name_and_place'
  end as matched_by,
  case
    when coalesce(named.credit_code, known_by_name.credit_code) is not null
      then 'uscc:' || coalesce(named.credit_code, known_by_name.credit_code)
    else 'name:' || {{ hash_text("named.bare_name || '|' || coalesce(named.county_code, '')") }}
  end as enterprise_id
from named
left join known_by_name
  on named.bare_name = known_by_name.bare_name and named.county_code = known_by_name.county_code
