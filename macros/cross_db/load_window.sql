{% macro built_until() -%}
    {{ return(adapter.dispatch('built_until')()) }}
{%- endmacro %}

{% macro duckdb__built_until() -%}
    getvariable('amazing_built_until')
{%- endmacro %}

{# A literal that incremental_by_load puts in its place: Redshift skips blocks by constants alone. #}
{% macro redshift__built_until() -%}
    cast(null as timestamp /* built until */)
{%- endmacro %}


{% macro build_until() -%}
    {{ return(adapter.dispatch('build_until')()) }}
{%- endmacro %}

{% macro duckdb__build_until() -%}
    getvariable('amazing_build_until')
{%- endmacro %}

{% macro redshift__build_until() -%}
    cast(null as timestamp /* build until */)
{%- endmacro %}


{% macro in_slice(user_key) -%}
    {{ return(adapter.dispatch('in_slice')(user_key)) }}
{%- endmacro %}

{% macro duckdb__in_slice(user_key) -%}
    {{ user_key }} between getvariable('amazing_slice_from') and getvariable('amazing_slice_to')
{%- endmacro %}

{# The cluster parts the work among its slices by itself. #}
{% macro redshift__in_slice(user_key) -%}
    true
{%- endmacro %}
