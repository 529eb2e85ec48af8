{#- A value on fixed bounds, 0 at `low` and 1 at `high`; bounds may fall. `scale` is an expression: linear or log. -#}
{%- macro bounded(value, low, high, scale) -%}
    case
      when {{ value }} is null then null
      else greatest(0.0, least(1.0, case
        when {{ scale }} = 'log'
          then (ln(greatest({{ value }}, least({{ low }}, {{ high }}))) - ln({{ low }})) / (ln({{ high }}) - ln({{ low }}))
        else ({{ value }} - {{ low }}) / ({{ high }} - {{ low }})
      end))
    end
{%- endmacro -%}

{#- A factor between its floor and its cap: a geometric mean is zero if any part is zero. -#}
{%- macro clipped(value, floor, cap) -%}
    greatest({{ floor }}, least({{ cap }}, {{ value }}))
{%- endmacro -%}

{#- Aggregate: weighted geometric mean. Weights must sum to 1; values must be above zero. -#}
{%- macro geometric_mean(value, weight) -%}
    exp(sum({{ weight }} * ln({{ value }})))
{%- endmacro -%}

{#- Aggregate: mean that lifts high values, of scores from 0 to 10 (INFORM, inverse geometric mean). -#}
{%- macro inverse_geometric_mean(value) -%}
    (10 - exp(avg(ln((10 - {{ value }}) / 10 * 9 + 1)))) / 9 * 10
{%- endmacro -%}

{#- Aggregate: power mean; the higher the exponent, the nearer to the worst value. -#}
{%- macro power_mean(value, exponent) -%}
    power(avg(power({{ value }}, {{ exponent }})), 1.0 / {{ exponent }})
{%- endmacro -%}

{#- Whether a value falls into a row of `colour_cuts`; each row says which of its bounds it includes. -#}
{%- macro in_cut(value, cut) -%}
    ({{ cut }}.lower_bound < {{ value }} or ({{ cut }}.lower_inclusive and {{ cut }}.lower_bound = {{ value }}))
    and (
      {{ cut }}.upper_bound is null or {{ value }} < {{ cut }}.upper_bound
      or ({{ cut }}.upper_inclusive and {{ cut }}.upper_bound = {{ value }})
    )
{%- endmacro -%}
