{#- Every column of the key is filled and no key stands twice. Gives the worst keys, at most a hundred.
    A hash of one word finds the keys that may repeat, so that a large table is not grouped by wide texts. -#}
{% test key_holds(model, key) %}

with repeated as (
  select {{ hash_number(key) }} as key_hash
  from {{ model }}
  group by {{ hash_number(key) }}
  having count(*) > 1
)

select
  {{ key | join(', ') }},
  count(*) as n
from {{ model }}
where
  {{ hash_number(key) }} in (select key_hash from repeated)
  {%- for name in key %}
  or {{ name }} is null
  {%- endfor %}
group by {{ key | join(', ') }}
having
  count(*) > 1
  {%- for name in key %}
  or {{ name }} is null
  {%- endfor %}
limit 100

{% endtest %}
