{#- The instant at which a Beijing civil date begins. -#}
{%- macro beijing_midnight(day) -%}
    {{- adapter.dispatch('beijing_midnight', 'cityrisk')(day) -}}
{%- endmacro -%}

{%- macro default__beijing_midnight(day) -%}
    make_timestamptz(epoch_us(cast({{ day }} as timestamp)) - 28800000000)
{%- endmacro -%}

{#- A date some days later; `days` may be an expression and negative. -#}
{%- macro days_later(day, days) -%}
    {{- adapter.dispatch('days_later', 'cityrisk')(day, days) -}}
{%- endmacro -%}

{%- macro default__days_later(day, days) -%}
    ({{ day }} + cast({{ days }} as integer))
{%- endmacro -%}

{#- Whole days from one date to a later one. -#}
{%- macro days_between(earlier, later) -%}
    {{- adapter.dispatch('days_between', 'cityrisk')(earlier, later) -}}
{%- endmacro -%}

{%- macro default__days_between(earlier, later) -%}
    date_diff('day', {{ earlier }}, {{ later }})
{%- endmacro -%}

{#- An instant some seconds later; `seconds` may be an expression. -#}
{%- macro seconds_later(instant, seconds) -%}
    {{- adapter.dispatch('seconds_later', 'cityrisk')(instant, seconds) -}}
{%- endmacro -%}

{%- macro default__seconds_later(instant, seconds) -%}
    ({{ instant }} + to_seconds({{ seconds }}))
{%- endmacro -%}

{#- One field of JSON text whose name is itself an expression, as text. -#}
{%- macro json_text_of(column, field) -%}
    {{- adapter.dispatch('json_text_of', 'cityrisk')(column, field) -}}
{%- endmacro -%}

{%- macro default__json_text_of(column, field) -%}
    json_extract_string({{ column }}, '$.' || {{ field }})
{%- endmacro -%}

{#- A cast that gives null for what cannot be read. -#}
{%- macro read_as(value, logical_type) -%}
    {{- adapter.dispatch('read_as', 'cityrisk')(value, logical_type) -}}
{%- endmacro -%}

{%- macro default__read_as(value, logical_type) -%}
    try_cast({{ value }} as {{ sql_type(logical_type) }})
{%- endmacro -%}

{#- Aggregate: texts in the order of a column, joined. -#}
{%- macro joined_text(value, separator, order_by) -%}
    {{- adapter.dispatch('joined_text', 'cityrisk')(value, separator, order_by) -}}
{%- endmacro -%}

{%- macro default__joined_text(value, separator, order_by) -%}
    string_agg({{ value }}, '{{ separator }}' order by {{ order_by }})
{%- endmacro -%}

{#- A number as short text for people: two decimals where it has any. Sums of fractions differ in their last bits
    from build to build, so the value is rounded well before the text is. -#}
{%- macro number_text(value) -%}
    {{- adapter.dispatch('number_text', 'cityrisk')('round(' ~ value ~ ', 6)') -}}
{%- endmacro -%}

{%- macro default__number_text(value) -%}
    case
        when round({{ value }}, 2) = round({{ value }}) then cast(cast(round({{ value }}) as bigint) as varchar)
        else printf('%.2f', {{ value }})
    end
{%- endmacro -%}
