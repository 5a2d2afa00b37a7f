{{ config(materialized='table') }}

with

sessions as (
    select * from {{ ref('int_sessions') }}
),

int_as_of as (
    {% if var('as_of') is none %}
        select max(sessions.ended_at) as as_of
        from sessions
    {% else %}
        select cast('{{ var("as_of") }}' as timestamp) as as_of
    {% endif %}
)

select * from int_as_of
