-- One row per subject and computed day whose method weighs it, with the version of that day.
{{ config(materialized='view') }}
select
  subject.subject_id,
  subject.subdomain,
  subject.object_type,
  risk_day.as_of_date,
  risk_day.method_version
from {{ ref('risk_day') }} as risk_day
inner join {{ ref('risk_factor_weights') }} as weights
  on weights.level = 'subdomain' and risk_day.method_version = weights.method_version
inner join {{ ref('subject') }} as subject
  on weights.parent = subject.domain and weights.factor = subject.subdomain
