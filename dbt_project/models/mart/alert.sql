-- One row per alert. Empty until the alerting room writes episodes; its columns stay.
select
  cast(null as {{ sql_type('string') }}) as alert_id,
  cast(null as {{ sql_type('string') }}) as rule_id,
  cast(null as {{ sql_type('string') }}) as domain,
  cast(null as {{ sql_type('string') }}) as subdomain,
  cast(null as {{ sql_type('string') }}) as object_id,
  cast(null as {{ sql_type('string') }}) as area_code,
  cast(null as {{ sql_type('string') }}) as colour,
  cast(null as integer) as severity_rank,
  cast(null as {{ sql_type('string') }}) as state,
  cast(null as {{ sql_type('boolean') }}) as is_exercise,
  cast(null as {{ sql_type('timestamp') }}) as opened_at,
  cast(null as {{ sql_type('timestamp') }}) as acknowledged_at,
  cast(null as {{ sql_type('timestamp') }}) as resolved_at,
  cast(null as {{ sql_type('timestamp') }}) as closed_at,
  cast(null as {{ sql_type('number') }}) as peak_value,
  cast(null as {{ sql_type('number') }}) as threshold,
  cast(null as {{ sql_type('string') }}) as unit,
  cast(null as {{ sql_type('string') }}) as standard,
  cast(null as {{ sql_type('string') }}) as clause,
  cast(null as {{ sql_type('string') }}) as disposing_unit
where 1 = 0
