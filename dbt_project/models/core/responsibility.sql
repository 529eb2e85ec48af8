-- One row per risk type, area, role and first day in force: which organisation answers for it. Who that is by default is
-- settled where the rows are derived (`orchestration.derive.duties`), so that alerts go to whom this table names.
select
  risk_type,
  area_code,
  role,
  organisation_id,
  cast(valid_from as date) as valid_from,
  cast(valid_to as date) as valid_to,
  basis_document
from {{ ref('responsibilities') }}
