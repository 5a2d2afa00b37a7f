{% macro built_until() -%}
    {{ return(adapter.dispatch('built_until')()) }}
{%- endmacro %}

{% macro duckdb__built_until() -%}
    getvariable('amazing_built_until')
{%- endmacro %}

{% macro build_until() -%}
    {{ return(adapter.dispatch('build_until')()) }}
{%- endmacro %}

{% macro duckdb__build_until() -%}
    getvariable('amazing_build_until')
{%- endmacro %}


{% macro in_slice(user_key) -%}
    {{ return(adapter.dispatch('in_slice')(user_key)) }}
{%- endmacro %}

{% macro duckdb__in_slice(user_key) -%}
    {{ user_key }} between getvariable('amazing_slice_from') and getvariable('amazing_slice_to')
{%- endmacro %}
