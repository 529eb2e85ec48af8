-- One row per administrative area, current and retired: city, county, street, community.
select
  area_code,
  nullif(parent_code, '') as parent_code,
  level,
  city_code,
  case when length(area_code) >= 6 and substr(area_code, 5, 2) <> '00' then substr(area_code, 1, 6) end as county_code,
  name_zh,
  name_en,
  cast(valid_from as date) as valid_from,
  cast(valid_to as date) as valid_to,
  nullif(successor_code, '') as successor_code,
  valid_to is null as is_current
from {{ ref('areas') }}
