-- Every worked number comes out as printed: to half a unit of its last printed digit, and in its colour.
with expected as (
  select case_id, max(expected_value) as expected_value, max(tolerance) as tolerance,
    max(expected_label) as expected_label
  from {{ ref('method_cases') }}
  group by case_id
)

select expected.*, computed.result, computed.label
from expected
left join {{ ref('method_result') }} as computed on expected.case_id = computed.case_id
where
  computed.case_id is null
  or (
    expected.expected_value is not null
    and (computed.result is null or abs(computed.result - expected.expected_value) > expected.tolerance)
  )
  or (expected.expected_label is not null and (computed.label is null or computed.label <> expected.expected_label))
