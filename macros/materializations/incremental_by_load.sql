{# An incremental table of which the rows that new loads touched are rebuilt. The model's SQL gives the
   rows of a slice of the users, in_slice(), that the loads after built_until() and up to build_until()
   touched. The rows of a load, or of all loads, come in one transaction. A table whose SQL has changed
   is built from nothing. #}
{% materialization incremental_by_load, default, supported_languages=['sql'] %}
    {% set target_relation = this.incorporate(type='table') %}
    {{ run_hooks(pre_hooks) }}

    {% set is_missing = load_cached_relation(this) is none %}
    {% if is_missing %}
        {% call statement('create', auto_begin=False) %}{{ create_declared_table(this, model) }}{% endcall %}
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
            {% do build_batch(
                batch, is_new and loop.first, record_made_of(this, sql_hash ~ ' until ' ~ batch.build_until)
            ) %}
        {% endfor %}
    {% endif %}

    {% do persist_docs_and_commit(target_relation) %}
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
                coalesce(
                    lag(files.loaded_at) over (order by files.loaded_at),
                    timestamp '{{ built_until }}'
                ) as varchar(32)
            ) as built_until,
            cast(files.loaded_at as varchar(32)) as build_until,
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
