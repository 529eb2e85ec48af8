-- One row per computed day, subject and area that it counts in: the city, and the area below the city that its code starts
-- with.
select
  subject.as_of_date,
  subject.subject_id,
  subject.subdomain,
  area.area_code
from {{ ref('subject_day') }} as subject
inner join {{ ref('risk_area') }} as area
  on area.is_city or substr(subject.area_code, 1, length(area.area_code)) = area.area_code
