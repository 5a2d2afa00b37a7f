{# Loads every new event file into the model's table, each in its own transaction: its rows, its
   rejected lines and its row of the ledger come together or not at all. Files to be loaded anew come
   in one transaction. A file that cannot be loaded is refused, with a row of the ledger that says
   why, and stops the build after the others.

   The model's SQL types lines of a file (its source is what load_event_lines lays ready) and says in
   rejection_reason why a line cannot be kept. #}
{% materialization event_files, default, supported_languages=['sql'] %}
    {% set target_relation = this.incorporate(type='table') %}
    {% set ledger = ref('stg_event_files') %}

    {{ run_hooks(pre_hooks) }}

    {% if load_cached_relation(this) is none %}
        {% call statement('create', auto_begin=False) %}
            {{ create_declared_table(target_relation, model) }}
        {% endcall %}
    {% endif %}

    {% set refusals = [] %}
    {% if not flags.EMPTY %}
        {% do check_pseudonym_key(ledger) %}
        {% set files = new_event_files(ledger) %}
        {% if should_full_refresh() %}
            {% call statement('clear', auto_begin=False) %}
                begin;
                drop table {{ target_relation }} cascade;
                {{ create_declared_table(target_relation, model) }};
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

    {% do persist_docs_and_commit(target_relation) %}
    {% if refusals | select | list %}
        {% do exceptions.raise_compiler_error(refusals | select | join('\n')) %}
    {% endif %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{% macro check_pseudonym_key(ledger) %}
    {% do prepare_pseudonym_key() %}
    {% set query %}
        select
            coalesce(length({{ pseudonym_key() }}), 0) as characters,
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
        {% do refuse_pseudonym_key() %}
    {% endif %}
{% endmacro %}


{% macro refuse_pseudonym_key() %}
    {% do exceptions.raise_compiler_error(
        "AMAZING_PSEUDONYM_KEY is not the key this warehouse was loaded with: known customers "
        ~ "would come back as new ones, so no event was read. Restore the key, or load "
        ~ "everything anew with --full-refresh."
    ) %}
{% endmacro %}


{# The files to load, in order: those whose reload was asked for, as they were loaded, then new
   ones by name. A file that the ledger knows by name, size and modification time is not read. #}
{% macro new_event_files(ledger) %}
    {% set query %}
        select
            source_file,
            state,
            content_sha256,
            size_bytes,
            cast(modified_at as varchar(32)) as modified_at,
            reload_requested_at,
            loaded_at
        from {{ ledger }}
        where state in ('loaded', 'duplicate')
        order by loaded_at, source_file
    {% endset %}
    {% set known = run_query(query).rows %}
    {% set place = env_var('AMAZING_EVENTS', 'data/events/*.csv.gz') ~ ' (AMAZING_EVENTS)' %}
    {% set listed = {} %}
    {% for file in listed_event_files() %}
        {% do listed.update({file.source_file: file}) %}
    {% endfor %}
    {% if not listed %}
        {% set nothing = 'no event files at ' ~ place ~ ': expected a folder or a glob of .csv or .csv.gz files' %}
        {# files that were loaded may have been archived since #}
        {% if not known %}{% do exceptions.raise_compiler_error(nothing) %}{% endif %}
        {% do log(nothing, info=true) %}
    {% endif %}

    {% set in_order = known | rejectattr('loaded_at', 'none') | list %}
    {% set others = known | selectattr('loaded_at', 'none') | list %}
    {% set known_names = known | map(attribute='source_file') | list %}
    {% for name, file in listed.items() if name not in known_names %}
        {% do others.append(file) %}
    {% endfor %}
    {% set files = [] %}
    {% for row in in_order + others | sort(attribute='source_file') %}
        {% set listed_file = listed.get(row.source_file) %}
        {% set is_to_reload = row.reload_requested_at and not should_full_refresh() %}
        {% set must_be_read = should_full_refresh() or is_to_reload %}
        {% set is_untouched = row.state and listed_file
            and row.size_bytes == listed_file.size_bytes
            and row.modified_at == listed_file.modified_at %}
        {% if not listed_file and must_be_read %}
            {% do exceptions.raise_compiler_error(
                row.source_file ~ ' is to be loaded anew and is not at ' ~ place
                ~ ': bring it back. Nothing was changed.'
            ) %}
        {% elif listed_file and (must_be_read or not is_untouched) %}
            {% set file = dict(
                listed_file,
                new_sha256=content_of(listed_file),
                reload_requested_at=row.reload_requested_at if is_to_reload
            ) %}
            {% if row.state and not must_be_read %}
                {% if file.new_sha256 == row.content_sha256 %}
                    {% do run_query(
                        'update ' ~ ledger ~ ' set modified_at = ' ~ quoted(file.modified_at)
                        ~ ' where source_file = ' ~ quoted(row.source_file)
                        ~ ' and content_sha256 = ' ~ quoted(row.content_sha256)
                    ) %}
                {% else %}
                    {% do file.update(refusal=
                        file.path ~ ": a file of this name was loaded with other content. Give the "
                        ~ "new delivery a new name; or, to put it in the place of the old one, run "
                        ~ "dbt run-operation reload_file --args '{source_file: " ~ row.source_file
                        ~ "}' and build again. Nothing of it was loaded."
                    ) %}
                {% endif %}
            {% endif %}
            {% if file.refusal or must_be_read or not row.state %}
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
        {# what goes and what comes first is of one moment #}
        {% set withdrawn_at = begin_load(ledger) %}
        {% do withdraw_event_files(target_relation, ledger, withdrawn_at) %}
        {% do files[0].update(loaded_at=withdrawn_at) %}
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
            refused.file, ledger, 'refused', {'refusal_reason': refused.reason}
        ) %}
    {% endif %}
    {{ return(refused.reason) }}
{% endmacro %}


{# Begins a load: the moment that its rows bear, as text; later than all before, even if the clock was
   set back, for models ask for newer loads. #}
{% macro begin_load(ledger) %}
    {% set query %}
        select
            cast(
                greatest(
                    timestamp '{{ modules.datetime.datetime.utcnow() }}',
                    max(recorded_at) + interval '1 microsecond',
                    max(loaded_at) + interval '1 microsecond'
                ) as varchar(32)
            )
        from {{ ledger }}
    {% endset %}
    {{ return(run_query(query).rows[0][0] | string) }}
{% endmacro %}


{# Loads one file and returns nothing, or why it cannot be loaded. #}
{% macro load_event_file(file, target_relation, ledger, progress) %}
    {% set same_content = run_query(
        'select source_file from ' ~ ledger ~ " where state = 'loaded' and content_sha256 = "
        ~ quoted(file.new_sha256) ~ ' and source_file != ' ~ quoted(file.source_file)
    ).rows %}
    {% if same_content and not file.reload_requested_at %}
        {% do record_event_file(
            file, ledger, 'duplicate', {'same_content_as': same_content[0][0]}
        ) %}
        {% do log(
            progress.file ~ ': same content as ' ~ same_content[0][0] ~ ', not loaded again', info=true
        ) %}
        {{ return(none) }}
    {% endif %}

    {% set read = namespace(
        loaded_at=file.loaded_at or begin_load(ledger), lines=0, rejected=0, is_at_end=false, refusal=none,
        began_at=modules.datetime.datetime.now(), said_at=none
    ) %}
    {% call statement('begin_file', auto_begin=False) %}
        drop table if exists duplicates_by_part;
        create temporary table duplicates_by_part (
            duplicate_count bigint,
            duplicate_across_count bigint,
            duplicate_purchase_count bigint,
            duplicate_purchase_amount decimal(18, 2),
            first_event_at timestamp,
            last_event_at timestamp
        );
    {% endcall %}
    {% do load_event_lines(file, target_relation, progress, read) %}
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


{# Adds a file to the ledger, in the place of an earlier row of the same name and content. `more` are
   further columns and their values. #}
{% macro record_event_file(file, ledger, state, more) %}
    {% set values = dict(
        source_file=file.source_file,
        content_sha256=file.new_sha256,
        state=state,
        size_bytes=file.size_bytes,
        modified_at=file.modified_at,
        recorded_at=modules.datetime.datetime.utcnow() | string,
        invocation_id=invocation_id,
        **more
    ) %}
    {% set same_file %}
        source_file = {{ quoted(file.source_file) }} and content_sha256 = '{{ file.new_sha256 }}'
    {% endset %}
    {% call statement('record_event_file', auto_begin=False) %}
        delete from {{ ledger }} where {{ same_file }} and state != 'loaded';

        insert into {{ ledger }} ({{ values | join(', ') }})
        select
            {% for name, value in values.items() %}
                {% if value is none %}
                    null
                {% elif name.endswith('_at') %}
                    timestamp '{{ value }}'
                {% elif value is string %}
                    {{ quoted(value) }}
                {% else %}
                    {{ value }}
                {% endif %}
                {{- ',' if not loop.last }}
            {% endfor %}
        where not exists (select 1 from {{ ledger }} where {{ same_file }});
    {% endcall %}
{% endmacro %}


{# The counts of the file just loaded, from the tables themselves. The times are those of all its
   events, so that reload_file finds the files that share some with it. #}
{% macro event_file_counts(target_relation, read) %}
    {% set query %}
        select
            kept.kept_count,
            duplicates.duplicate_count,
            duplicates.duplicate_across_count,
            duplicates.duplicate_purchase_count,
            duplicates.duplicate_purchase_amount,
            cast(
                least(kept.first_event_at, duplicates.first_event_at) as varchar(32)
            ) as first_event_at,
            cast(
                greatest(kept.last_event_at, duplicates.last_event_at) as varchar(32)
            ) as last_event_at,
            {{ keyed_hash("'fingerprint'") }} as pseudonym_key_fingerprint
        from (
            select
                count(*) as kept_count,
                min(event_at) as first_event_at,
                max(event_at) as last_event_at
            from {{ target_relation }}
            where loaded_at = timestamp '{{ read.loaded_at }}'
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
    {% endset %}
    {{ return(dict(
        run_query(query).rows[0].dict(),
        row_count=read.lines, rejected_count=read.rejected, loaded_at=read.loaded_at
    )) }}
{% endmacro %}


{# Takes the rows out of the files to be loaded anew and leaves word of what they touched, so that
   later models can rebuild it: a session may have lost all its events. #}
{% macro withdraw_event_files(target_relation, ledger, withdrawn_at) %}
    {% set in_files_to_reload %}
        source_file in (select source_file from {{ ledger }} where reload_requested_at is not null)
    {% endset %}
    {% call statement('withdraw', auto_begin=False) %}
        insert into {{ ref('stg_withdrawn_events') }}
        select distinct
            session_key,
            user_key,
            case when category_code is not null then product_id end as product_id,
            timestamp '{{ withdrawn_at }}' as withdrawn_at
        from {{ target_relation }}
        where {{ in_files_to_reload }};

        delete from {{ target_relation }} where {{ in_files_to_reload }};

        delete from {{ ref('stg_rejected_event_lines') }} where {{ in_files_to_reload }};

        update {{ ledger }} set state = 'superseded', reload_requested_at = null
        where reload_requested_at is not null;
    {% endcall %}
{% endmacro %}


{# Why a file with too many rejected lines is refused: the five commonest reasons, each with a
   sample line. User and session stay out of what is said: the last two columns do, and, where a
   comma too many or too few moved them, whatever looks like one of them. #}
{% macro too_many_rejected(file, read) %}
    {% set query %}
        select reason, line_count, line_number, line
        from (
            select
                reason,
                line_number,
                line,
                count(*) over (partition by reason) as line_count,
                row_number() over (partition by reason order by line_number) as place
            from {{ ref('stg_rejected_event_lines') }}
            where loaded_at = timestamp '{{ read.loaded_at }}'
        ) as lines
        where place = 1
        order by line_count desc, reason
        limit 5
    {% endset %}
    {% set reasons = [] %}
    {% for row in run_query(query).rows %}
        {% set fields = modules.re.sub('[0-9A-Fa-f-]{12,}|[0-9]{5,}', '#', row.line or '').split(',') %}
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
