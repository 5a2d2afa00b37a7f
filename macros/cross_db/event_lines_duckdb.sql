{# Event files on DuckDB: a reader in Python inflates them and hands out their lines in parts. #}

{% macro duckdb__listed_event_files() %}
    {% set query %}
        select
            path,
            parse_filename(path) as source_file,
            size_bytes,
            cast(modified_at as varchar) as modified_at
        from (select unnest(list_event_files(), recursive := true)) as files
    {% endset %}
    {% set files = [] %}
    {% for row in run_query(query).rows %}{% do files.append(row.dict()) %}{% endfor %}
    {{ return(files) }}
{% endmacro %}


{% macro duckdb__content_of(file) %}
    {{ return(run_query('select content_sha256(' ~ quoted(file.path) ~ ')').rows[0][0]) }}
{% endmacro %}


{% macro duckdb__load_event_lines(file, target_relation, progress, read) %}
    {% call statement('begin_lines', auto_begin=False) %}
        set variable amazing_source_file = {{ quoted(file.source_file) }};
        set variable amazing_loaded_at = timestamp '{{ read.loaded_at }}';
    {% endcall %}
    {% do run_query('select open_event_file(' ~ quoted(file.path) ~ ')') %}
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
        {% set rejected_count = insert_rejected_lines(read) %}
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


{# A second, slower pass over the part, only when the first did not keep every line. Returns how
   many lines it kept aside. The reader names the lines that it cannot split into columns; the line
   of any other row is its place among the rows, plus the lines that the reader left out before it.
   Blank lines are not counted. #}
{% macro insert_rejected_lines(read) %}
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
            timestamp '{{ read.loaded_at }}' as loaded_at
        from lines
    {% endset %}
    {{ return(run_query(rejected_lines).rows[0][0]) }}
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

        {{ count_duplicates('duplicates_of_part') }};
    {% endcall %}
{% endmacro %}
