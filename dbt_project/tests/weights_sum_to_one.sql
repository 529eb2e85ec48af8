-- Weights of domains, of the subdomains of each domain and of components sum to 1 in each method version.
select method_version, level, parent, sum(weight) as total
from {{ ref('risk_factor_weights') }}
group by method_version, level, parent
having abs(sum(weight) - 1) > 1e-9
