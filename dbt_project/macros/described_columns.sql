{#- One row per column of the tables of some schemas: what it means, in both languages. The columns' own yml says it. -#}
{%- macro described_columns(schemas) -%}
select
  described.table_name,
  described.column_name,
  described.description_zh,
  described.description_en,
  described.unit,
  described.owner,
  described.sensitivity
from (
  values
  (null, null, null, null, null, null, null)
  {%- if execute %}
  {%- for node in graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | sort(attribute='name') %}
  {%- if node.schema in schemas and node.config.materialized != 'ephemeral' %}
  {%- for column in node.columns.values() %}
  {%- set meta = column.config.meta or column.meta %}
  , (
    '{{ node.schema }}.{{ node.alias }}', '{{ column.name }}',
    '{{ meta.get("zh", "") | replace("'", "''") }}', '{{ (meta.get("en") or column.description) | replace("'", "''") }}',
    '{{ meta.get("unit", "") }}', '{{ meta.get("owner", "data-office") }}', '{{ meta.get("sensitivity", "internal") }}'
  )
  {%- endfor %}
  {%- endif %}
  {%- endfor %}
  {%- endif %}
) as described (table_name, column_name, description_zh, description_en, unit, owner, sensitivity)
where described.table_name is not null
{%- endmacro -%}
