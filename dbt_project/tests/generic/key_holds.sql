{#- Every column of the key is filled and no key stands twice. Gives the worst keys, at most a hundred. -#}
{% test key_holds(model, key) %}

with counted as (
  select {{ key | join(', ') }}, count(*) as n
  from {{ model }}
  group by {{ key | join(', ') }}
)

select *
from counted
where n > 1
{%- for name in key %} or {{ name }} is null{% endfor %}
limit 100

{% endtest %}
