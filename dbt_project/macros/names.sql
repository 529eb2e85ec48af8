{#- Schemas carry exactly the name that a model is configured with: staging, conformed, core, risk, mart. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {{- (custom_schema_name or target.schema) | trim -}}
{%- endmacro -%}

{#- `mart` lives in the attached file; everything else in the warehouse file. -#}
{%- macro generate_database_name(custom_database_name=none, node=none) -%}
    {{- (custom_database_name or target.database) | trim -}}
{%- endmacro -%}
