with

sessions as (
    select * from {{ ref('int_sessions') }}
),

int_as_of as (
    select
        {% if var('as_of') is none %}
            max(sessions.ended_at) as as_of
        {% else %}
            cast('{{ var("as_of") }}' as timestamp) as as_of
        {% endif %}
    from sessions
)

select * from int_as_of
