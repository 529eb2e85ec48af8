{#- `key_holds` for a fact table, on the days that this build wrote: the others were tested when they were written. -#}
{% test key_holds_in_affected_days(model, key) %}

select
  {{ key | join(', ') }},
  count(*) as n
from {{ model }}
where (feed_id, landed_on) in (
  select feed_id, cast(landed_on as date) from {{ landed_manifest() }} where is_affected
)
group by {{ key | join(', ') }}
having
  count(*) > 1
  {%- for name in key %}
  or {{ name }} is null
  {%- endfor %}
limit 100

{% endtest %}
