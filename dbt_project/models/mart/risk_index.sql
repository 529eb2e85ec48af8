-- One row per day, area and domain: the risk index, 0 to 100, higher is worse, with how far it can be trusted.
with computed as (
  select
    factor.as_of_date,
    factor.area_code,
    factor.domain,
    factor.method_version,
    {{ geometric_mean('factor.factor_value', 'factor.weight') }} as share
  from {{ ref('area_factor') }} as factor
  group by factor.as_of_date, factor.area_code, factor.domain, factor.method_version
),

scaled as (
  select
    computed.as_of_date,
    computed.area_code,
    computed.domain,
    computed.method_version,
    round(parameters.value * computed.share, 10) as index_value
  from computed
  inner join {{ ref('method_parameters') }} as parameters
    on computed.method_version = parameters.method_version and parameters.parameter = 'index_scale'
)

select
  scaled.as_of_date,
  scaled.area_code,
  areas.name_zh as area_name_zh,
  areas.name_en as area_name_en,
  scaled.domain,
  scaled.index_value,
  cuts.colour,
  confidence.confidence,
  scaled.method_version
from scaled
inner join {{ ref('areas') }} as areas on scaled.area_code = areas.area_code
left join {{ ref('area_confidence') }} as confidence
  on
    scaled.as_of_date = confidence.as_of_date
    and scaled.area_code = confidence.area_code
    and scaled.domain = confidence.domain
left join {{ ref('colour_cuts') }} as cuts
  on
    cuts.scale = 'risk_index'
    and scaled.method_version = cuts.method_version
    and {{ in_cut('scaled.index_value', 'cuts') }}
