{#- JSON text of the given columns under their own names; null values are kept. '{}' for none. -#}
{%- macro json_of(columns) -%}
    {{- adapter.dispatch('json_of', 'cityrisk')(columns) -}}
{%- endmacro -%}

{%- macro default__json_of(columns) -%}
    {%- if not columns -%}'{}'{%- else -%}
    cast(json_object({% for name in columns %}'{{ name }}', {{ name }}{{ ", " if not loop.last }}{% endfor %}) as varchar)
    {%- endif -%}
{%- endmacro -%}

{#- One field of JSON text whose name is an expression, as text; null when it is not there. -#}
{%- macro json_text_of(column, field) -%}
    {{- adapter.dispatch('json_text_of', 'cityrisk')(column, field) -}}
{%- endmacro -%}

{%- macro default__json_text_of(column, field) -%}
    json_extract_string({{ column }}, '$.' || {{ field }})
{%- endmacro -%}
