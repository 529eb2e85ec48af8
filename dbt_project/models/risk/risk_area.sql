-- One row per area that has an index: the city of this build and the areas right below it.
select
  areas.area_code,
  areas.name_zh,
  areas.name_en,
  areas.level,
  areas.area_code = build.city_code as is_city
from {{ ref('areas') }} as areas
cross join {{ this_build() }} as build
where
  areas.valid_to is null
  and (areas.area_code = build.city_code or areas.parent_code = build.city_code)
