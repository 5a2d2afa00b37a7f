{# SQL of a table with the columns that a model declares. #}
{% macro create_declared_table(relation) -%}
    {{ return(adapter.dispatch('create_declared_table')(relation)) }}
{%- endmacro %}

{% macro duckdb__create_declared_table(relation) -%}
    create table {{ relation }} {{ get_table_columns_and_constraints() }}
{%- endmacro %}

{% macro redshift__create_declared_table(relation) -%}
    create table {{ relation }} {{ get_table_columns_and_constraints() }}
    {{ dist(config.get('dist')) }}
    {{ sort(config.get('sort_type'), config.get('sort')) }}
{%- endmacro %}
