{# dbt-redshift's own materializations, which here take Python models too. #}
{% materialization table, adapter='redshiftpy', supported_languages=['sql', 'python'] %}
    {{ return(materialization_table_redshift()) }}
{% endmaterialization %}


{% materialization incremental, adapter='redshiftpy', supported_languages=['sql', 'python'] %}
    {{ return(materialization_incremental_default()) }}
{% endmaterialization %}


{# Every materialization makes its tables here. A Python model is run first; what it returns is then
   a temporary table like any other. #}
{% macro redshiftpy__create_table_as(temporary, relation, sql) -%}
    {%- if model.language == 'python' -%}
        {%- set sql = 'select * from ' ~ adapter.stage_python_model(model, compiled_code) -%}
    {%- endif -%}
    {{ redshift__create_table_as(temporary, relation, sql) }}
{%- endmacro %}
