{#- No object's residual colour or score is worse than its inherent one. -#}
{% test residual_within_inherent(model) %}

select objects.*
from {{ model }} as objects
inner join {{ ref('colour_ranks') }} as inherent on objects.inherent_colour = inherent.colour
inner join {{ ref('colour_ranks') }} as residual on objects.residual_colour = residual.colour
where residual.severity_rank > inherent.severity_rank or objects.score > objects.inherent_score + 1e-9

{% endtest %}
