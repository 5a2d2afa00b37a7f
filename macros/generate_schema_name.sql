{# Schemas bear the names of the layers. A schema in the profile other than `main` parts a warehouse of
   its own from it: of a smoke test, a pull request, a developer. #}
{% macro generate_schema_name(custom_schema_name=none, node=none) -%}
    {%- if not custom_schema_name -%}
        {{ target.schema }}
    {%- elif target.schema == 'main' -%}
        {{ custom_schema_name }}
    {%- else -%}
        {{ target.schema }}_{{ custom_schema_name }}
    {%- endif -%}
{%- endmacro %}
