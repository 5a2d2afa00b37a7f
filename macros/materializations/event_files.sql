{# Loads every new event file into the model's table, each in its own transaction: its rows, its
   rejected lines and its row of the ledger come together or not at all. Files to be loaded anew come
   in one transaction. A file that cannot be loaded is refused, with a row of the ledger that says
   why, and stops the build after the others.

   The model's SQL types the lines of one part of a file (its source reads what session variables
   name) and says in rejection_reason why a line cannot be kept. #}
{% materialization event_files, adapter='duckdb', supported_languages=['sql'] %}
    {% set target_relation = this.incorporate(type='table') %}
    {% set ledger = ref('stg_event_files') %}

    {{ run_hooks(pre_hooks) }}

    {% if load_cached_relation(this) is none %}
        {% call statement('create', auto_begin=False) %}
            create table {{ target_relation }} {{ get_table_columns_and_constraints() }}
        {% endcall %}
    {% endif %}

    {% set refusals = [] %}
    {% if not flags.EMPTY %}
        {% do check_pseudonym_key(ledger) %}
        {% set files = new_event_files(ledger) %}
        {% if should_full_refresh() %}
            {% call statement('clear', auto_begin=False) %}
                begin;
                drop table {{ target_relation }};
                create table {{ target_relation }} {{ get_table_columns_and_constraints() }};
                delete from {{ ref('stg_rejected_event_lines') }};
                delete from {{ ref('stg_withdrawn_events') }};
                delete from {{ ledger }};
                commit;
            {% endcall %}
        {% endif %}
        {% set progress = namespace(
            file=none, file_number=0, file_count=files | length,
            bytes_total=files | sum(attribute='size_bytes'), bytes_done=0,
            began_at=modules.datetime.datetime.now()
        ) %}
        {% set to_reload = files | selectattr('reload_requested_at') | list %}
        {% do refusals.append(load_event_files(to_reload, target_relation, ledger, progress)) %}
        {# new files may wait for those: see reload_file #}
        {% for file in files if not file.reload_requested_at and not refusals[0] %}
            {% do refusals.append(load_event_files([file], target_relation, ledger, progress)) %}
        {% endfor %}
    {% endif %}

    {% call noop_statement('main', 'OK') %}{% endcall %}
    {% do persist_docs(target_relation, model) %}
    {% do adapter.commit() %}
    {% if refusals | select | list %}
        {% do exceptions.raise_compiler_error(refusals | select | join('\n')) %}
    {% endif %}
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


{# The files to load, in order: those whose reload was asked for, as they were loaded, then new
   ones by name. A file that the ledger knows by name, size and modification time is not read. #}
{% macro new_event_files(ledger) %}
    {% set query %}
        with listed as (
            select unnest(list_event_files(), recursive := true)
        )

        select
            coalesce(ledger.source_file, parse_filename(listed.path)) as source_file,
            listed.path,
            listed.size_bytes,
            listed.modified_at,
            ledger.state,
            ledger.content_sha256,
            ledger.size_bytes = listed.size_bytes
            and ledger.modified_at = listed.modified_at as is_untouched,
            {{ 'null' if should_full_refresh() else 'ledger.reload_requested_at' }}
                as reload_requested_at
        from listed
        full outer join (
            select * from {{ ledger }} where state in ('loaded', 'duplicate')
        ) as ledger
            on parse_filename(listed.path) = ledger.source_file
        order by reload_requested_at is null, ledger.loaded_at, source_file
    {% endset %}
    {% set known_or_listed = run_query(query).rows %}
    {% set place = env_var('AMAZING_EVENTS', 'data/events/*.csv.gz') ~ ' (AMAZING_EVENTS)' %}
    {% set listed = known_or_listed | rejectattr('path', 'none') | list %}
    {% if not listed %}
        {% set nothing = 'no event files at ' ~ place ~ ': expected a folder or a glob of .csv or .csv.gz files' %}
        {# files that were loaded may have been archived since #}
        {% if not known_or_listed %}{% do exceptions.raise_compiler_error(nothing) %}{% endif %}
        {% do log(nothing, info=true) %}
    {% endif %}

    {% set files = [] %}
    {% for row in known_or_listed %}
        {% set must_be_read = should_full_refresh() or row.reload_requested_at %}
        {% if row.path is none and must_be_read %}
            {% do exceptions.raise_compiler_error(
                row.source_file ~ ' is to be loaded anew and is not at ' ~ place
                ~ ': bring it back. Nothing was changed.'
            ) %}
        {% elif row.path is not none and (must_be_read or not row.is_untouched) %}
            {% set file = row.dict() %}
            {% do file.update(
                new_sha256=run_query('select content_sha256(' ~ quoted(row.path) ~ ')').rows[0][0]
            ) %}
            {% if row.state is not none and not must_be_read %}
                {% if file.new_sha256 == row.content_sha256 %}
                    {% do run_query(
                        'update ' ~ ledger ~ ' set modified_at = ' ~ quoted(row.modified_at | string)
                        ~ ' where source_file = ' ~ quoted(row.source_file)
                        ~ ' and content_sha256 = ' ~ quoted(row.content_sha256)
                    ) %}
                {% else %}
                    {% do file.update(refusal=
                        row.path ~ ": a file of this name was loaded with other content. Give the "
                        ~ "new delivery a new name; or, to put it in the place of the old one, run "
                        ~ "dbt run-operation reload_file --args '{source_file: " ~ row.source_file
                        ~ "}' and build again. Nothing of it was loaded."
                    ) %}
                {% endif %}
            {% endif %}
            {% if file.refusal or must_be_read or row.state is none %}
                {% do files.append(file) %}
            {% endif %}
        {% endif %}
    {% endfor %}
    {{ return(files) }}
{% endmacro %}


{# Loads files in one transaction, all or none of them, and returns nothing, or why not. The old rows
   of all files to be loaded anew go first: none of them may make a new row pass for a duplicate. #}
{% macro load_event_files(files, target_relation, ledger, progress) %}
    {% call statement('begin_files', auto_begin=False) %}begin{% endcall %}
    {% if files and files[0].reload_requested_at %}
        {% do withdraw_event_files(target_relation, ledger) %}
    {% endif %}
    {% set refused = namespace(file=none, reason=none) %}
    {% for file in files if not refused.file %}
        {% set progress.file_number = progress.file_number + 1 %}
        {% set progress.file = 'Event file ' ~ progress.file_number ~ ' of ' ~ progress.file_count
            ~ ', ' ~ file.source_file %}
        {% set refused.reason
            = file.refusal or load_event_file(file, target_relation, ledger, progress) %}
        {% set refused.file = file if refused.reason %}
        {% set progress.bytes_done = progress.bytes_done + file.size_bytes %}
    {% endfor %}
    {% call statement('end_files', auto_begin=False) %}
        {{ 'rollback' if refused.file else 'commit' }}
    {% endcall %}
    {% if refused.file %}
        {% do record_event_file(
            refused.file, ledger, 'refused',
            'select ' ~ quoted(refused.reason) ~ ' as refusal_reason'
        ) %}
    {% endif %}
    {{ return(refused.reason) }}
{% endmacro %}


{# Begins a load: the moment that its rows bear, later than all before, even if the clock was set
   back, for models ask for newer loads. #}
{% macro set_loaded_at(ledger) %}
    {% call statement('set_loaded_at', auto_begin=False) %}
        set variable amazing_loaded_at = (
            select
                greatest(
                    cast(current_timestamp at time zone 'UTC' as timestamp),
                    max(recorded_at) + interval 1 microsecond,
                    max(loaded_at) + interval 1 microsecond
                )
            from {{ ledger }}
        );
    {% endcall %}
{% endmacro %}


{# Loads one file and returns nothing, or why it cannot be loaded. #}
{% macro load_event_file(file, target_relation, ledger, progress) %}
    {% set same_content = run_query(
        'select source_file from ' ~ ledger ~ " where state = 'loaded' and content_sha256 = "
        ~ quoted(file.new_sha256) ~ ' and source_file != ' ~ quoted(file.source_file)
    ).rows %}
    {% if same_content and not file.reload_requested_at %}
        {% do record_event_file(
            file, ledger, 'duplicate', 'select ' ~ quoted(same_content[0][0]) ~ ' as same_content_as'
        ) %}
        {% do log(
            progress.file ~ ': same content as ' ~ same_content[0][0] ~ ', not loaded again', info=true
        ) %}
        {{ return(none) }}
    {% endif %}

    {% do set_loaded_at(ledger) %}
    {% call statement('begin_file', auto_begin=False) %}
        set variable amazing_source_file = {{ quoted(file.source_file) }};
        create or replace temporary table duplicates_by_part (
            duplicate_count bigint,
            duplicate_across_count bigint,
            duplicate_purchase_count bigint,
            duplicate_purchase_amount decimal(18, 2),
            first_event_at timestamp,
            last_event_at timestamp
        );
    {% endcall %}
    {% do run_query('select open_event_file(' ~ quoted(file.path) ~ ')') %}
    {% set read = namespace(
        lines=0, rejected=0, is_at_end=false, refusal=none,
        began_at=modules.datetime.datetime.now(), said_at=none
    ) %}
    {# more parts than any file has #}
    {% for _ in range(100000) if not read.is_at_end %}
        {% set part = fromjson(run_query('select next_event_part()').rows[0][0]) %}
        {% if part.path %}
            {% do load_event_part(file, part, target_relation, read) %}
            {% do say_progress(progress, read, part.bytes_read) %}
        {% else %}
            {% set read.is_at_end = true %}
            {% set read.refusal = part.error %}
        {% endif %}
    {% endfor %}
    {# gives back the memory of the last part #}
    {% for name in ['typed_events', 'duplicate_candidates', 'duplicates_of_part'] %}
        {% do keep_rows(name, 'select 0 as nothing where false') %}
    {% endfor %}
    {% if not read.refusal and read.rejected > var('max_rejected_share') * read.lines %}
        {% set read.refusal = too_many_rejected(file, read) %}
    {% endif %}
    {% if not read.refusal %}
        {% do record_event_file(
            file, ledger, 'loaded', event_file_counts(target_relation, read)
        ) %}
    {% endif %}
    {{ return(read.refusal) }}
{% endmacro %}


{# Types the lines of a part and adds those that are events. #}
{% macro load_event_part(file, part, target_relation, read) %}
    {% set columns = model.columns.values() | map(attribute='name') | join(', ') %}
    {% call statement('begin_part', auto_begin=False) %}
        set variable amazing_event_part = {{ quoted(part.path) }};
        set variable amazing_lines_before = {{ part.lines_before }};
    {% endcall %}
    {% do keep_rows(
        'typed_events',
        'select ' ~ columns ~ ' from (' ~ sql ~ ') as typed where typed.rejection_reason is null'
    ) %}
    {% set typed = run_query(
        'select count(*) as line_count, min(event_at) as first_event_at, '
        ~ 'max(event_at) as last_event_at from typed_events'
    ).rows[0] %}
    {% if typed.line_count != part.line_count %}
        {% set rejected_count = insert_rejected_lines() %}
        {% set read.rejected = read.rejected + rejected_count %}
        {% if typed.line_count + rejected_count != part.line_count %}
            {% set read.is_at_end = true %}
            {% set read.refusal = file.path ~ ': of ' ~ part.line_count ~ ' lines after line '
                ~ part.lines_before ~ ', ' ~ typed.line_count ~ ' were typed and ' ~ rejected_count
                ~ ' rejected: lines would be lost. Nothing of it was loaded.' %}
        {% endif %}
    {% endif %}
    {% if typed.line_count %}
        {% do insert_typed_events(
            target_relation, columns, typed.first_event_at, typed.last_event_at
        ) %}
    {% endif %}
    {% set read.lines = read.lines + part.line_count %}
{% endmacro %}


{# Keeps the rows of a query, numbered in row_number, as a view of this session until the next ones
   of that name. A temporary table in their place would hold its memory until the whole file is
   committed, even if it were dropped. #}
{% macro keep_rows(name, query) %}
    {% do adapter.store_relation(
        'warehouse', api.Relation.create(identifier=name), [], none, none, {'query': query}
    ) %}
{% endmacro %}


{% macro say_progress(progress, read, bytes_read) %}
    {% set now = modules.datetime.datetime.now() %}
    {% if read.said_at is none or (now - read.said_at).total_seconds() >= 10 %}
        {% set share_done = (progress.bytes_done + bytes_read) / progress.bytes_total %}
        {% set seconds_left = (now - progress.began_at).total_seconds() * (1 / share_done - 1) %}
        {% set rate = read.lines / (now - read.began_at).total_seconds() %}
        {% do log(
            progress.file ~ ': ' ~ '{:,} lines, {:,.0f} a second, {:,.0f} s left for all files'.format(
                read.lines, rate, seconds_left
            ), info=true
        ) %}
        {% set read.said_at = now %}
    {% endif %}
{% endmacro %}


{# Adds a file to the ledger, in the place of an earlier row of the same name and content.
   `counts` is SQL that gives one row of further columns. #}
{% macro record_event_file(file, ledger, state, counts) %}
    {% set same_file %}
        source_file = {{ quoted(file.source_file) }} and content_sha256 = '{{ file.new_sha256 }}'
    {% endset %}
    {% call statement('record_event_file', auto_begin=False) %}
        delete from {{ ledger }} where {{ same_file }} and state != 'loaded';

        insert into {{ ledger }} by name
        select
            {{ quoted(file.source_file) }} as source_file,
            '{{ file.new_sha256 }}' as content_sha256,
            '{{ state }}' as state,
            {{ file.size_bytes }} as size_bytes,
            timestamp '{{ file.modified_at }}' as modified_at,
            counts.*,
            -- the clock of the warehouse stands still in a transaction
            timestamp '{{ modules.datetime.datetime.utcnow() }}' as recorded_at,
            '{{ invocation_id }}' as invocation_id
        from ({{ counts }}) as counts
        where not exists (select 1 from {{ ledger }} where {{ same_file }});
    {% endcall %}
{% endmacro %}


{# The counts of the file just loaded, from the tables themselves. The times are those of all its
   events, so that reload_file finds the files that share some with it. #}
{% macro event_file_counts(target_relation, read) %}
    select
        {{ read.lines }} as row_count,
        {{ read.rejected }} as rejected_count,
        kept.kept_count,
        duplicates.* exclude (first_event_at, last_event_at),
        least(kept.first_event_at, duplicates.first_event_at) as first_event_at,
        greatest(kept.last_event_at, duplicates.last_event_at) as last_event_at,
        {{ keyed_hash("'fingerprint'") }} as pseudonym_key_fingerprint,
        getvariable('amazing_loaded_at') as loaded_at
    from (
        select
            count(*) as kept_count,
            min(event_at) as first_event_at,
            max(event_at) as last_event_at
        from {{ target_relation }}
        where loaded_at = getvariable('amazing_loaded_at')
    ) as kept
    cross join (
        select
            coalesce(sum(duplicate_count), 0) as duplicate_count,
            coalesce(sum(duplicate_across_count), 0) as duplicate_across_count,
            coalesce(sum(duplicate_purchase_count), 0) as duplicate_purchase_count,
            coalesce(sum(duplicate_purchase_amount), 0) as duplicate_purchase_amount,
            min(first_event_at) as first_event_at,
            max(last_event_at) as last_event_at
        from duplicates_by_part
    ) as duplicates
{% endmacro %}


{# Takes the rows out of the files to be loaded anew and leaves word of what they touched, so that
   later models can rebuild it: a session may have lost all its events. #}
{% macro withdraw_event_files(target_relation, ledger) %}
    {% set in_files_to_reload %}
        source_file in (select source_file from {{ ledger }} where reload_requested_at is not null)
    {% endset %}
    {% do set_loaded_at(ledger) %}
    {% call statement('withdraw', auto_begin=False) %}
        insert into {{ ref('stg_withdrawn_events') }}
        select distinct
            session_key,
            user_key,
            case when category_code is not null then product_id end as product_id,
            getvariable('amazing_loaded_at') as withdrawn_at
        from {{ target_relation }}
        where {{ in_files_to_reload }};

        delete from {{ target_relation }} where {{ in_files_to_reload }};

        delete from {{ ref('stg_rejected_event_lines') }} where {{ in_files_to_reload }};

        update {{ ledger }} set state = 'superseded', reload_requested_at = null
        where reload_requested_at is not null;
    {% endcall %}
{% endmacro %}


{# A second, slower pass over the part, only when the first did not keep every line. Returns how
   many lines it kept aside. The reader names the lines that it cannot split into columns; the line
   of any other row is its place among the rows, plus the lines that the reader left out before it.
   Blank lines are not counted. #}
{% macro insert_rejected_lines() %}
    {% call statement('untyped_rows', auto_begin=False) %}
        create or replace temporary table untyped_rows as
        select row_number, rejection_reason, line
        from ({{ sql }}) as typed
        where rejection_reason is not null;
    {% endcall %}
    {% set rejected_lines %}
        insert into {{ ref('stg_rejected_event_lines') }} by name
        with

        last_scan as (
            select max(scan_id) as scan_id
            from reject_scans
            where file_path = getvariable('amazing_event_part')
        ),

        unsplit as (
            select
                reject_errors.line as line_in_part,
                min(case reject_errors.error_type
                    when 'MISSING COLUMNS' then 'line: expected 9 columns, found fewer'
                    when 'TOO MANY COLUMNS' then 'line: expected 9 columns, found more'
                    when 'INVALID ENCODING' then 'line: expected UTF-8'
                    else 'line: ' || lower(reject_errors.error_type)
                end) as reason,
                min(trim(reject_errors.csv_line, chr(10))) as line
            from reject_errors
            inner join last_scan on reject_errors.scan_id = last_scan.scan_id
            group by reject_errors.line
        ),

        unsplit_places as (
            select
                *,
                line_in_part - row_number() over (order by line_in_part) as rows_before
            from unsplit
        ),

        lines as (
            select line_in_part, reason, line from unsplit_places
            union all
            select
                untyped_rows.row_number + (
                    select count(*) from unsplit_places
                    where unsplit_places.rows_before < untyped_rows.row_number
                ) as line_in_part,
                untyped_rows.rejection_reason,
                untyped_rows.line
            from untyped_rows
        )

        select
            getvariable('amazing_source_file') as source_file,
            getvariable('amazing_lines_before') + line_in_part as line_number,
            reason,
            left(line, 65535) as line,
            getvariable('amazing_loaded_at') as loaded_at
        from lines
    {% endset %}
    {{ return(run_query(rejected_lines).rows[0][0]) }}
{% endmacro %}


{# Why a file with too many rejected lines is refused: the five commonest reasons, each with a
   sample line. User and session stay out of what is said: the last two columns do, and, where a
   comma too many or too few moved them, whatever looks like one of them. #}
{% macro too_many_rejected(file, read) %}
    {% set query %}
        select
            reason,
            count(*) as line_count,
            min(line_number) as line_number,
            regexp_replace(
                arg_min(line, line_number), '[0-9A-Fa-f-]{12,}|[0-9]{5,}', '#', 'g'
            ) as line
        from {{ ref('stg_rejected_event_lines') }}
        where loaded_at = getvariable('amazing_loaded_at')
        group by reason
        order by line_count desc, reason
        limit 5
    {% endset %}
    {% set reasons = [] %}
    {% for row in run_query(query).rows %}
        {% set fields = row.line.split(',') %}
        {% set shown = fields[:7] if fields | length == 9 else fields[:3] %}
        {% do reasons.append(
            '  ' ~ '{:,}'.format(row.line_count) ~ ' lines: ' ~ row.reason ~ '; line '
            ~ row.line_number ~ ": '" ~ (shown | join(','))[:200] ~ ",…'"
        ) %}
    {% endfor %}
    {{ return(
        file.path ~ ': ' ~ '{:,}'.format(read.rejected) ~ ' of ' ~ '{:,}'.format(read.lines)
        ~ ' lines cannot be typed, and max_rejected_share allows a share of '
        ~ var('max_rejected_share') ~ '. Nothing of it was loaded.\n' ~ reasons | join('\n')
    ) }}
{% endmacro %}


{# Adds the typed rows of a part but exact duplicates: of each other, of rows of this file before
   them and of other files. Candidates are found by a hash of few columns, then compared on every
   one, so that no two different rows are taken for the same. Nothing is deleted afterwards: DuckDB
   would write every row of the transaction a second time. The times are those of the part, as
   literals, so that no row of another time is read. #}
{% macro insert_typed_events(target_relation, columns, first_event_at, last_event_at) %}
    {% set narrow_hash = 'hash(session_key, event_at, product_id, event_type)' %}
    {% set compared = model.columns.values() | map(attribute='name')
        | reject('in', ['source_file', 'loaded_at']) | join(', ') %}
    {% set duplicate_candidates %}
        with

        -- a late row makes the bounds wide: earlier rows count on the days of this part only
        days as (
            select distinct cast(event_at as date) as event_on
            from typed_events
        ),

        earlier_events as (
            select {{ columns }}
            from {{ target_relation }}
            where
                event_at between '{{ first_event_at }}' and '{{ last_event_at }}'
                and cast(event_at as date) in (select event_on from days)
                and {{ narrow_hash }} in (select {{ narrow_hash }} from typed_events)
        ),

        candidate_hashes as (
            select {{ narrow_hash }} as narrow_hash
            from typed_events
            group by narrow_hash
            having count(*) > 1
            union distinct
            select {{ narrow_hash }} as narrow_hash
            from earlier_events
        )

        select cast(null as bigint) as typed_row_number, {{ columns }}
        from earlier_events
        union all
        select row_number as typed_row_number, {{ columns }}
        from typed_events
        where {{ narrow_hash }} in (select narrow_hash from candidate_hashes)
    {% endset %}
    {% do keep_rows('duplicate_candidates', duplicate_candidates) %}
    {% set duplicates_of_part %}
        with

        compared as (
            select
                typed_row_number,
                event_type,
                price,
                event_at,
                row_number() over copies as copy_number,
                min(loaded_at) over copies < loaded_at as is_across
            from duplicate_candidates
            window copies as (
                partition by {{ compared }}
                order by loaded_at, typed_row_number nulls first
            )
        )

        select typed_row_number, event_type, price, event_at, is_across
        from compared
        where copy_number > 1 and typed_row_number is not null
    {% endset %}
    {% do keep_rows('duplicates_of_part', duplicates_of_part) %}
    {% call statement('insert_typed_events', auto_begin=False) %}
        insert into {{ target_relation }} ({{ columns }})
        select {{ columns }}
        from typed_events
        where row_number not in (select typed_row_number from duplicates_of_part)
        -- a slice of the users is then read without the others, and keys that repeat are stored once
        order by user_key;

        insert into duplicates_by_part
        select
            count(*),
            count(case when is_across then 1 end),
            count(case when event_type = 'purchase' then 1 end),
            sum(case when event_type = 'purchase' then price end),
            min(event_at),
            max(event_at)
        from duplicates_of_part;
    {% endcall %}
{% endmacro %}
