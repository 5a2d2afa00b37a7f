{# SQL of a table with the columns that a model declares. #}
{% macro create_declared_table(relation, node) -%}
    {{ return(adapter.dispatch('create_declared_table')(relation, node)) }}
{%- endmacro %}

{% macro duckdb__create_declared_table(relation, node) -%}
    create table {{ relation }} (
        {{ adapter.render_raw_columns_constraints(raw_columns=node.columns) | join(',\n        ') }}
    )
{%- endmacro %}

{% macro redshift__create_declared_table(relation, node) -%}
    {{ duckdb__create_declared_table(relation, node) }}
    {{ dist(node.config.get('dist')) }}
    {{ sort(node.config.get('sort_type'), node.config.get('sort')) }}
{%- endmacro %}
