{#- The Beijing civil date of an instant. China has had one zone and no summer time since 1992. -#}
{%- macro beijing_date(instant) -%}
    {{- adapter.dispatch('beijing_date', 'cityrisk')(instant) -}}
{%- endmacro -%}

{%- macro default__beijing_date(instant) -%}
    cast(make_timestamp(epoch_us({{ instant }}) + 28800000000) as date)
{%- endmacro -%}

{#- The instant at which a Beijing civil date begins. -#}
{%- macro beijing_midnight(day) -%}
    {{- adapter.dispatch('beijing_midnight', 'cityrisk')(day) -}}
{%- endmacro -%}

{%- macro default__beijing_midnight(day) -%}
    make_timestamptz(epoch_us(cast({{ day }} as timestamp)) - 28800000000)
{%- endmacro -%}

{#- The start of the hour of an instant. -#}
{%- macro hour_of(instant) -%}
    {{- adapter.dispatch('hour_of', 'cityrisk')(instant) -}}
{%- endmacro -%}

{%- macro default__hour_of(instant) -%}
    time_bucket(interval 1 hour, {{ instant }})
{%- endmacro -%}

{#- A date some days later; `days` may be an expression and negative. -#}
{%- macro days_later(day, days) -%}
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

{#- Whole seconds from one instant to a later one. -#}
{%- macro seconds_between(earlier, later) -%}
    {{- adapter.dispatch('seconds_between', 'cityrisk')(earlier, later) -}}
{%- endmacro -%}

{%- macro default__seconds_between(earlier, later) -%}
    date_diff('second', {{ earlier }}, {{ later }})
{%- endmacro -%}
