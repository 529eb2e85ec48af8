-- One row per current administrative area of the list.
{{ config(alias='area') }}
select
  area_code,
  parent_code,
  city_code,
  level,
  name_zh,
  name_en,
  code_system,
  edition_year
from {{ ref('areas') }}
where valid_to is null
