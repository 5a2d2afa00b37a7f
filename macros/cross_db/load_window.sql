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
