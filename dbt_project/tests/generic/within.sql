{#- Values of a column lie between two bounds, both included. Nulls pass; the worst hundred are given. -#}
{% test within(model, column, low, high) %}

select *
from {{ model }}
where {{ column }} < {{ low }} or {{ column }} > {{ high }}
limit 100

{% endtest %}
