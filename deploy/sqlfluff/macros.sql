{#- What dbt itself brings and a linter lacks; `execute` stays undefined, so no macro asks a database. -#}
{%- macro env_var(name, default) -%}{{ name | lower }}{%- endmacro -%}
