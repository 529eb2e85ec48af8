{#- Every risk object of the warehouse is published, with its colours or with a reason. -#}
{% test coloured_or_reasoned(model) %}

select objects.object_id
from {{ ref('risk_object') }} as objects
left join {{ model }} as published on objects.object_id = published.object_id
where
  published.object_id is null
  or (published.residual_colour is null or published.inherent_colour is null)
  <> (published.unscored_reason_zh is not null and published.unscored_reason_en is not null)
  or (published.area_reason is null) <> (published.area_reason_zh is null)

{% endtest %}
