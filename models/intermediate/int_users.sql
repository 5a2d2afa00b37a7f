{{ config(
    materialized='incremental_by_load',
    unique_key='user_key',
    touched_by='int_sessions',
    dist='user_key',
    sort=['user_key']
) }}

-- depends_on: {{ ref('stg_event_files') }}
-- depends_on: {{ ref('stg_withdrawn_events') }}

{# Named twice in place of one CTE: DuckDB would write that out, all sessions of all time. A session
   counts once it is over. #}
{% set counted_sessions -%}
    {{ ref('int_sessions') }} as sessions
    where
        {{ in_slice('sessions.user_key') }}
        and sessions.user_key in (select touched_users.user_key from touched_users)
        {% if var('as_of') is not none %}
            and sessions.ended_at <= cast('{{ var("as_of") }}' as timestamp)
        {% endif %}
{%- endset %}

with

-- A user with one session that changed, or is no more, is rebuilt from all sessions.
touched_users as (
    select sessions.user_key
    from {{ ref('int_sessions') }} as sessions
    where
        {{ in_slice('sessions.user_key') }}
        and sessions.changed_at > {{ built_until() }}
    union distinct
    select withdrawn.user_key
    from {{ ref('stg_withdrawn_events') }} as withdrawn
    where
        {{ in_slice('withdrawn.user_key') }}
        and withdrawn.withdrawn_at > {{ built_until() }}
),

{{ summed_users(counted_sessions) }},

int_users as (
    select * from summed_users
)

select * from int_users
