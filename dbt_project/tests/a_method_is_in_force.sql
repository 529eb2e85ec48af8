-- The day of the build has a method, and every version is whole: each has the parameters and the groups of weights that
-- the others have.
with told as (
  select method_version, 'parameter ' || parameter as what from {{ ref('method_parameters') }}
  union
  select method_version, 'weights of ' || level as what from {{ ref('risk_factor_weights') }}
  union
  select method_version, 'colours of ' || scale as what from {{ ref('colour_cuts') }}
  union
  select method_version, 'grade ' || confidence as what from {{ ref('confidence_cuts') }}
),

wanted as (
  select distinct what from told
)

select versions.method_version, wanted.what
from {{ ref('method_versions') }} as versions
cross join wanted
left join told on versions.method_version = told.method_version and wanted.what = told.what
where told.method_version is null
union all
select 'none' as method_version, 'in force on ' || cast(build.as_of_date as {{ sql_type('string') }}) as what
from {{ this_build() }} as build
left join {{ ref('method_day') }} as method_day on build.as_of_date = method_day.as_of_date
where method_day.as_of_date is null
