-- One row per day, area, domain and factor: what the factor adds to ln(index / 100), and the objects behind it.
select
  as_of_date,
  area_code,
  domain,
  factor,
  subdomain,
  component,
  weight,
  factor_value,
  weight * ln(factor_value) as contribution,
  n_subjects,
  reason_zh,
  reason_en,
  method_version,
  change_zh,
  change_en
from {{ ref('area_factor') }}
