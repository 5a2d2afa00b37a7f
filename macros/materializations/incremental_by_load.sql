{# An incremental table of which the rows that new loads touched are rebuilt, slice by slice of the
   users, so that memory grows neither with the users nor with the files. The model's SQL gives the
   rows of a slice, in_slice(), that the loads after built_until() and up to build_until() touched.
   The rows of a load, or of all loads, come in one transaction, sorted by user, so that a slice is
   read without the others. A table whose SQL has changed is built from nothing. #}
{% materialization incremental_by_load, adapter='duckdb', supported_languages=['sql'] %}
    {% set target_relation = this.incorporate(type='table') %}
    {{ run_hooks(pre_hooks) }}

    {% set is_missing = load_cached_relation(this) is none %}
    {% if is_missing %}
        {% call statement('create', auto_begin=False) %}
            create table {{ this }} {{ get_table_columns_and_constraints() }}
        {% endcall %}
    {% endif %}

    {% if not flags.EMPTY %}
        {% set sql_hash = local_md5(model.compiled_code) %}
        {% set was_made_of = made_of(this).split(' until ') %}
        {% set is_new = is_missing or should_full_refresh() or was_made_of[0] != sql_hash
            or not has_loads_until(was_made_of[1]) %}
        {% set batches = loads_to_build('1970-01-01' if is_new else was_made_of[1]) %}
        {% for batch in batches %}
            {% if batches | length > 1 %}
                {% do log(this.identifier ~ ': ' ~ loop.index ~ ' of ' ~ batches | length, info=true) %}
            {% endif %}
            {% call statement('begin_batch', auto_begin=False) %}
                set variable amazing_built_until = timestamp '{{ batch.built_until }}';
                set variable amazing_build_until = timestamp '{{ batch.build_until }}';
                begin;
                {% if is_new and loop.first %}
                    truncate {{ this }};
                {% endif %}
                set variable amazing_last_rowid = (select coalesce(max(rowid), -1) from {{ this }});
            {% endcall %}
            {% do insert_slices(batch.event_count) %}
            {% call statement('end_batch', auto_begin=False) %}
                {% if not (is_new and loop.first) %}{{ delete_rebuilt() }};{% endif %}
                {{ record_made_of(this, sql_hash ~ ' until ' ~ batch.build_until) }};
                commit;
            {% endcall %}
        {% endfor %}
    {% endif %}

    {% call noop_statement('main', 'OK') %}{% endcall %}
    {% do persist_docs(target_relation, model) %}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{# Whether the ledger has a load as old as that: after a full refresh of the events it has none. #}
{% macro has_loads_until(built_until) %}
    {{ return(run_query(
        'select 1 from ' ~ ref('stg_event_files')
        ~ " where loaded_at <= timestamp '" ~ built_until ~ "' limit 1"
    ).rows | length > 0) }}
{% endmacro %}


{# What is to be built one after another: each load after a moment, or all of them at once. #}
{% macro loads_to_build(built_until) %}
    {% set query %}
        select
            cast(
                lag(files.loaded_at, 1, timestamp '{{ built_until }}') over (order by files.loaded_at)
                as varchar
            ) as built_until,
            cast(files.loaded_at as varchar) as build_until,
            cast(files.kept_count as integer) as event_count
        from {{ ref('stg_event_files') }} as files
        where files.state = 'loaded' and files.loaded_at > timestamp '{{ built_until }}'
        order by files.loaded_at
    {% endset %}
    {% set loads = run_query(query).rows %}
    {% if config.get('one_load_at_a_time') or not loads %}
        {{ return(loads) }}
    {% endif %}
    {{ return([{
        'built_until': built_until,
        'build_until': loads[-1].build_until,
        'event_count': loads | sum(attribute='event_count'),
    }]) }}
{% endmacro %}


{# Ten million events make sessions of some 2.4 GB while they are summed up. #}
{% macro insert_slices(event_count) %}
    {% set columns = model.columns.values() | map(attribute='name') | join(', ') %}
    {% set slice_count = 1 + event_count | int // 10000000 %}
    {% set key_end = 2 ** 60 %}
    {% for slice in range(slice_count) %}
        {% call statement('insert_slice', auto_begin=False) %}
            set variable amazing_slice_from = {{ key_end * slice // slice_count }};
            set variable amazing_slice_to = {{ key_end * (slice + 1) // slice_count - 1 }};
            insert into {{ this }} ({{ columns }})
            select {{ columns }} from ({{ sql }}) as rebuilt
            order by user_key;
        {% endcall %}
    {% endfor %}
{% endmacro %}


{# SQL that takes out the old rows of what was rebuilt, and of what is no more. #}
{% macro delete_rebuilt() %}
    {% set key = config.require('unique_key') %}
    delete from {{ this }}
    where
        rowid <= getvariable('amazing_last_rowid')
        and {{ key }} in (
            select {{ key }} from {{ this }}
            where rowid > getvariable('amazing_last_rowid')
            union all
            select {{ key }} from {{ ref('stg_withdrawn_events') }}
            where withdrawn_at > {{ built_until() }} and withdrawn_at <= {{ build_until() }}
        )
{% endmacro %}
