{#- Whether a comma-separated list of words holds one word. -#}
{%- macro has_word(list, word) -%}
    (coalesce({{ list }}, '') <> '' and contains(',' || {{ list }} || ',', ',{{ word }},'))
{%- endmacro -%}

{#- A short text that is the same for the same text, on every engine. -#}
{%- macro hash_text(expression) -%}
    substr(md5({{ expression }}), 1, 16)
{%- endmacro -%}

{#- An enterprise's name without what people write differently: spaces, brackets of both widths, case. -#}
{%- macro bare_name(expression) -%}
    {{- adapter.dispatch('bare_name', 'cityrisk')(expression) -}}
{%- endmacro -%}

{%- macro default__bare_name(expression) -%}
    regexp_replace(lower({{ expression }}), '[\s　()()·.．-]', '', 'g')
{%- endmacro -%}

{#- The distinct values of a column in a group, sorted, comma-separated. -#}
{%- macro list_text(expression) -%}
    {{- adapter.dispatch('list_text', 'cityrisk')(expression) -}}
{%- endmacro -%}

{%- macro default__list_text(expression) -%}
    string_agg(distinct {{ expression }}, ',' order by {{ expression }})
{%- endmacro -%}

{#- Aggregate: texts in the order of a column, joined. -#}
{%- macro joined_text(value, separator, order_by) -%}
    {{- adapter.dispatch('joined_text', 'cityrisk')(value, separator, order_by) -}}
{%- endmacro -%}

{%- macro default__joined_text(value, separator, order_by) -%}
    string_agg({{ value }}, '{{ separator }}' order by {{ order_by }})
{%- endmacro -%}

{#- A number as short text for people: at most two decimals. Sums of fractions differ in their last bits
    from build to build, so the value is rounded well before the text is. -#}
{%- macro number_text(value) -%}
    {%- set rounded = 'round(' ~ value ~ ', 6)' -%}
    case
        when round({{ rounded }}, 2) = round({{ rounded }})
          then cast(cast(round({{ rounded }}) as bigint) as {{ sql_type('string') }})
        else rtrim(printf('%.2f', {{ rounded }}), '0')
    end
{%- endmacro -%}

{#- What a signal of an object says, for people: the class by its name, else the number with its unit in words, else that
    there is nothing. `class` is a row of signal_classes, `units` the unit's row of wordings. -#}
{%- macro signal_text(raw_value, class, bounds, units, language) -%}
    coalesce(
        {{ class }}.name_{{ language }},
        {{ number_text(raw_value) }}
        || coalesce(' ' || coalesce({{ units }}.{{ language }}, nullif(nullif({{ bounds }}.unit, '1'), 'class')), ''),
        '{{ "无" if language == "zh" else "none" }}'
    )
{%- endmacro -%}
