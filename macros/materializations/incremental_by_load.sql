{# An incremental table that is built load by load, each file in a transaction of its own, so that
   memory does not grow with the number of files, from nothing as from yesterday. The model's SQL
   rebuilds what the loads after built_until() and up to build_until() touched; the table's column
   last_loaded_at says how far it got. #}
{% materialization incremental_by_load, adapter='duckdb', supported_languages=['sql'] %}
    {% set key = config.require('unique_key') %}
    {% set target_relation = this.incorporate(type='table') %}
    {{ run_hooks(pre_hooks) }}

    {% if load_cached_relation(this) is none or should_full_refresh() %}
        {% call statement('create', auto_begin=False) %}
            create or replace table {{ this }} {{ get_table_columns_and_constraints() }}
        {% endcall %}
    {% endif %}

    {% if not flags.EMPTY %}
        {% set columns = model.columns.values() | map(attribute='name') | join(', ') %}
        {% call statement('begin_loads', auto_begin=False) %}
            set variable amazing_built_until = (
                select coalesce(max(last_loaded_at), timestamp '1970-01-01 00:00:00') from {{ this }}
            );
        {% endcall %}
        {% set loads = run_query(
            "select cast(loaded_at as varchar) from " ~ ref('stg_event_files')
            ~ " where state = 'loaded' and loaded_at > getvariable('amazing_built_until')"
            ~ " order by loaded_at"
        ).columns[0].values() %}
        {% for load in loads %}
            {% call statement('build_load', auto_begin=False) %}
                set variable amazing_build_until = timestamp '{{ load }}';
                set variable amazing_last_rowid = (select coalesce(max(rowid), -1) from {{ this }});
                begin;
                insert into {{ this }} ({{ columns }})
                select {{ columns }} from ({{ sql }}) as rebuilt;
                delete from {{ this }}
                where
                    rowid <= getvariable('amazing_last_rowid')
                    and {{ key }} in (
                        select {{ key }} from {{ this }}
                        where rowid > getvariable('amazing_last_rowid')
                        union all
                        select {{ key }} from {{ ref('stg_withdrawn_events') }}
                        where
                            withdrawn_at > {{ built_until() }} and withdrawn_at <= {{ build_until() }}
                    );
                commit;
                set variable amazing_built_until = timestamp '{{ load }}';
            {% endcall %}
        {% endfor %}
    {% endif %}

    {% call noop_statement('main', 'OK') %}{% endcall %}
    {% do persist_docs(target_relation, model) %}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
