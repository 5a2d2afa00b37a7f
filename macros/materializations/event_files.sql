{# Loads every new event file into the model's table, each in its own transaction: its rows, its
   rejected lines and its row of the ledger come together or not at all.

   The model's SQL types the lines of one file (its source reads the file that session variables
   name) and says in rejection_reason why a line cannot be kept. #}
{% materialization event_files, adapter='duckdb', supported_languages=['sql'] %}
    {% set target_relation = this.incorporate(type='table') %}
    {% set ledger = ref('stg_event_files') %}
    {% set rejected = ref('stg_rejected_event_lines') %}

    {{ run_hooks(pre_hooks) }}

    {% if load_cached_relation(this) is none %}
        {% call statement('create', auto_begin=False) %}
            create table {{ target_relation }} {{ get_table_columns_and_constraints() }}
        {% endcall %}
    {% endif %}

    {% if not flags.EMPTY %}
        {% do check_pseudonym_key(ledger) %}
        {% set files = new_event_files(ledger) %}
        {% if should_full_refresh() %}
            {% call statement('clear', auto_begin=False) %}
                begin;
                drop table {{ target_relation }};
                create table {{ target_relation }} {{ get_table_columns_and_constraints() }};
                delete from {{ rejected }};
                delete from {{ ledger }};
                commit;
            {% endcall %}
        {% endif %}
        {% for file in files %}
            {% do load_event_file(file, target_relation, ledger, rejected) %}
            {% do log(
                'Event file ' ~ loop.index ~ ' of ' ~ files | length ~ ' loaded: '
                ~ file.source_file ~ ', ' ~ file.line_count ~ ' lines', info=true
            ) %}
        {% endfor %}
    {% endif %}

    {% call noop_statement('main', 'OK') %}{% endcall %}
    {% do persist_docs(target_relation, model) %}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{% macro check_pseudonym_key(ledger) %}
    {% set query %}
        select
            coalesce(length(getvariable('amazing_pseudonym_key')), 0) as characters,
            {{ keyed_hash("'fingerprint'") }} as fingerprint,
            (select max(pseudonym_key_fingerprint) from {{ ledger }}) as loaded_with
    {% endset %}
    {% set key = run_query(query).rows[0] %}
    {% if key.characters < 32 %}
        {% do exceptions.raise_compiler_error(
            "AMAZING_PSEUDONYM_KEY is missing or shorter than 32 characters: customers' identifiers "
            ~ "cannot be pseudonymised, so no event was read. Set it to the secret of this "
            ~ "warehouse (for a new one: openssl rand -hex 32) and keep it."
        ) %}
    {% endif %}
    {% if not should_full_refresh() and key.loaded_with not in (none, key.fingerprint) %}
        {% do exceptions.raise_compiler_error(
            "AMAZING_PSEUDONYM_KEY is not the key this warehouse was loaded with: known customers "
            ~ "would come back as new ones, so no event was read. Restore the key, or load "
            ~ "everything anew with --full-refresh."
        ) %}
    {% endif %}
{% endmacro %}


{# The files that the ledger does not hold, each read once to the end: all must be sound before
   the first is loaded. #}
{% macro new_event_files(ledger) %}
    {% set query %}
        with listed as (
            select unnest(list_event_files()) as path
        )

        select
            listed.path,
            parse_filename(listed.path) as source_file,
            event_file_size(listed.path) as size_bytes,
            ledger.size_bytes as loaded_size_bytes
        from listed
        left join {{ ledger }} as ledger on parse_filename(listed.path) = ledger.source_file
        order by listed.path
    {% endset %}
    {% set listed = run_query(query).rows %}
    {% if not listed %}
        {% set nothing %}
            {{- 'no event files at ' ~ env_var('AMAZING_EVENTS', 'data/events/*.csv.gz') -}}
            {{- ' (AMAZING_EVENTS): expected a folder or a glob of .csv or .csv.gz files' -}}
        {% endset %}
        {# files that were loaded may have been archived since #}
        {% if run_query('select 1 from ' ~ ledger ~ ' limit 1').rows %}
            {% do log(nothing, info=true) %}
        {% else %}
            {% do exceptions.raise_compiler_error(nothing) %}
        {% endif %}
    {% endif %}
    {% set files = [] %}
    {% for file in listed %}
        {% if file.loaded_size_bytes is none or should_full_refresh() %}
            {% set line_count = run_query(
                'select check_event_file(' ~ quoted(file.path) ~ ')'
            ).rows[0][0] %}
            {% do files.append({
                'path': file.path, 'source_file': file.source_file,
                'size_bytes': file.size_bytes, 'line_count': line_count
            }) %}
        {% elif file.loaded_size_bytes != file.size_bytes %}
            {% do exceptions.raise_compiler_error(
                file.path ~ ": a file of this name was loaded with " ~ file.loaded_size_bytes
                ~ " bytes and now has " ~ file.size_bytes ~ ". Give the new delivery a new name, "
                ~ "or load everything anew with --full-refresh."
            ) %}
        {% endif %}
    {% endfor %}
    {{ return(files) }}
{% endmacro %}


{% macro load_event_file(file, target_relation, ledger, rejected) %}
    {% set columns = model.columns.values() | map(attribute='name') | join(', ') %}
    {# a clock that was set back must not hide the file from models that ask for newer loads #}
    {% call statement('begin_file', auto_begin=False) %}
        set variable amazing_event_file = {{ quoted(file.path) }};
        set variable amazing_source_file = {{ quoted(file.source_file) }};
        set variable amazing_loaded_at = (
            select
                greatest(
                    cast(current_timestamp at time zone 'UTC' as timestamp),
                    max(loaded_at) + interval 1 microsecond
                )
            from {{ ledger }}
        );
        begin;
    {% endcall %}
    {% call statement('insert_rows', auto_begin=False) %}
        insert into {{ target_relation }} ({{ columns }})
        select {{ columns }} from ({{ sql }}) as typed
        where typed.rejection_reason is null
    {% endcall %}
    {% set typed_count = run_query(
        'select count(*) from ' ~ target_relation
        ~ " where loaded_at = getvariable('amazing_loaded_at')"
    ).rows[0][0] %}
    {% if typed_count != file.line_count %}
        {% do insert_rejected_lines(rejected) %}
        {% set rejected_count = run_query(
            'select count(*) from ' ~ rejected
            ~ " where loaded_at = getvariable('amazing_loaded_at')"
        ).rows[0][0] %}
        {% if typed_count + rejected_count != file.line_count %}
            {% do exceptions.raise_compiler_error(
                file.path ~ ": it has " ~ file.line_count ~ " lines, of which " ~ typed_count
                ~ " were typed and " ~ rejected_count ~ " rejected: lines would be lost, so "
                ~ "nothing of it was loaded"
            ) %}
        {% endif %}
    {% endif %}
    {% do find_duplicates(target_relation) %}
    {% call statement('end_file', auto_begin=False) %}
        delete from {{ target_relation }}
        where rowid in (select duplicate_rowid from event_duplicates);

        insert into {{ ledger }} by name
        with

        kept as (
            select
                count(*) as kept_count,
                min(event_at) as first_event_at,
                max(event_at) as last_event_at
            from {{ target_relation }}
            where loaded_at = getvariable('amazing_loaded_at')
        ),

        duplicates as (
            select
                count(*) as duplicate_count,
                coalesce(sum(cast(event_type = 'purchase' as bigint)), 0)
                    as duplicate_purchase_count,
                coalesce(sum(case when event_type = 'purchase' then price end), 0)
                    as duplicate_purchase_amount
            from event_duplicates
        ),

        rejected as (
            select count(*) as rejected_count
            from {{ rejected }}
            where loaded_at = getvariable('amazing_loaded_at')
        )

        select
            getvariable('amazing_source_file') as source_file,
            {{ file.size_bytes }} as size_bytes,
            {{ file.line_count }} as row_count,
            kept.*,
            duplicates.*,
            rejected.*,
            {{ keyed_hash("'fingerprint'") }} as pseudonym_key_fingerprint,
            getvariable('amazing_loaded_at') as loaded_at
        from kept
        cross join duplicates
        cross join rejected;

        commit;
    {% endcall %}
{% endmacro %}


{# A second, slower pass over the file, only when the first did not keep every line. The reader
   names the lines that it cannot split into columns; the line of any other row is its place in
   the file, plus the header, plus the lines that the reader left out before it. Blank lines are
   not counted. #}
{% macro insert_rejected_lines(rejected) %}
    {% call statement('rejected_lines', auto_begin=False) %}
        create or replace temporary table untyped_rows as
        select row_in_file, rejection_reason, line
        from ({{ sql }}) as typed
        where rejection_reason is not null;

        insert into {{ rejected }} by name
        with

        unsplit as (
            select
                line as line_number,
                min(case error_type
                    when 'MISSING COLUMNS' then 'line: expected 9 columns, found fewer'
                    when 'TOO MANY COLUMNS' then 'line: expected 9 columns, found more'
                    when 'INVALID ENCODING' then 'line: expected UTF-8'
                    else 'line: ' || error_message
                end) as reason,
                min(trim(csv_line, chr(10) || chr(13))) as line
            from reject_errors
            where scan_id = (select max(scan_id) from reject_errors)
            group by reject_errors.line
        ),

        unsplit_places as (
            select
                *,
                line_number - 1 - row_number() over (order by line_number) as rows_before
            from unsplit
        ),

        lines as (
            select line_number, reason, line from unsplit_places
            union all
            select
                untyped_rows.row_in_file + 1 + (
                    select count(*) from unsplit_places
                    where unsplit_places.rows_before < untyped_rows.row_in_file
                ) as line_number,
                untyped_rows.rejection_reason,
                untyped_rows.line
            from untyped_rows
        )

        select
            getvariable('amazing_source_file') as source_file,
            line_number,
            reason,
            left(line, 65535) as line,
            getvariable('amazing_loaded_at') as loaded_at
        from lines;
    {% endcall %}
{% endmacro %}


{# Exact duplicates in the file just loaded, within it and against earlier files. Candidates are
   found by a hash of few columns, then compared on every one, so that no two different rows are
   taken for the same. The row of the earliest load stays. #}
{% macro find_duplicates(target_relation) %}
    {% set compared = model.columns.values() | map(attribute='name')
        | reject('in', ['source_file', 'loaded_at']) | join(', ') %}
    {% call statement('duplicates', auto_begin=False) %}
        create or replace temporary table event_duplicates as
        with

        bounds as (
            select min(event_at) as first_event_at, max(event_at) as last_event_at
            from {{ target_relation }}
            where loaded_at = getvariable('amazing_loaded_at')
        ),

        around as (
            select
                target.rowid as duplicate_rowid,
                target.loaded_at,
                hash(target.session_key, target.event_at, target.product_id, target.event_type)
                    as narrow_hash
            from {{ target_relation }} as target
            cross join bounds
            where target.event_at between bounds.first_event_at and bounds.last_event_at
        ),

        candidates as (
            select narrow_hash
            from around
            group by narrow_hash
            having count(*) > 1 and max(loaded_at) = getvariable('amazing_loaded_at')
        ),

        compared as (
            select
                rowid as duplicate_rowid,
                event_type,
                price,
                loaded_at,
                row_number() over (
                    partition by {{ compared }} order by loaded_at, rowid
                ) as copy_number
            from {{ target_relation }}
            where
                rowid in (
                    select around.duplicate_rowid
                    from around
                    inner join candidates on around.narrow_hash = candidates.narrow_hash
                )
        )

        select duplicate_rowid, event_type, price
        from compared
        where copy_number > 1 and loaded_at = getvariable('amazing_loaded_at')
    {% endcall %}
{% endmacro %}
