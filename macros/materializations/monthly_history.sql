{# A table that keeps the rows of past months. The model's SQL gives the rows of one month, or none: they
   take the place of those that the month has, in one transaction. A full refresh keeps them, for what
   was known then cannot be made again. #}
{% materialization monthly_history, default, supported_languages=['sql'] %}
    {% set target_relation = this.incorporate(type='table') %}
    {{ run_hooks(pre_hooks) }}

    {% if load_cached_relation(this) is none %}
        {% call statement('create', auto_begin=False) %}{{ create_declared_table(this, model) }}{% endcall %}
    {% endif %}

    {% set inputs = inputs_of(model.unique_id) %}
    {% if not flags.EMPTY and (inputs is none or inputs != made_of(this)) %}
        {% set columns = model.columns.values() | map(attribute='name') | join(', ') %}
        {% set month = this.identifier ~ '__month' %}
        {% call statement('replace_month', auto_begin=False) %}
            drop table if exists {{ month }};
            create temporary table {{ month }} as
            select {{ columns }} from ({{ sql }}) as rows_of_month;
            begin;
            delete from {{ this }} where month_on in (select month_on from {{ month }});
            insert into {{ this }} ({{ columns }}) select {{ columns }} from {{ month }};
            {{ record_made_of(this, inputs or '') }};
            commit;
            drop table {{ month }};
        {% endcall %}
    {% endif %}

    {% do persist_docs_and_commit(target_relation) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
