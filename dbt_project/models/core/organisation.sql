-- One row per organisation of the city's tree: city, departments, districts, streets, communities, units.
select
  organisation_id,
  nullif(parent_id, '') as parent_id,
  kind,
  name_zh,
  name_en,
  nullif(area_code, '') as area_code,
  nullif(department_code, '') as department_code
from {{ ref('organisations') }}
