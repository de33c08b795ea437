"""A database whose clock steps, as Winkel's statements see it; that of the machine stays as it is.

Winkel asks PostgreSQL for the time by functions, and functions of ours are found before PostgreSQL's own. Instants that
PostgreSQL notes by itself (since when a session is idle) are shown as the clock stood then, as after a real step.
What is not reached: `current_date`, a keyword, by which the log makes the tables of the days to come.
"""

from datetime import timedelta

from chaos.system import System

_MAKE = """
CREATE SCHEMA chaos_clock;
CREATE TABLE chaos_clock.step (since timestamptz PRIMARY KEY, skew interval NOT NULL);
INSERT INTO chaos_clock.step VALUES ('-infinity', '0');
CREATE FUNCTION chaos_clock.shown(at timestamptz) RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT at + (SELECT skew FROM chaos_clock.step WHERE since <= at ORDER BY since DESC LIMIT 1)';
CREATE FUNCTION chaos_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT chaos_clock.shown(pg_catalog.clock_timestamp())';
CREATE FUNCTION chaos_clock.now() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT chaos_clock.shown(pg_catalog.now())';
DO $$ BEGIN EXECUTE format(
    'CREATE VIEW chaos_clock.pg_stat_activity AS SELECT %s, chaos_clock.shown(state_change) AS state_change
     FROM pg_catalog.pg_stat_activity',
    (SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
     WHERE attrelid = 'pg_catalog.pg_stat_activity'::regclass AND attnum > 0 AND attname <> 'state_change'));
END $$;
GRANT USAGE ON SCHEMA chaos_clock TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA chaos_clock TO PUBLIC;
SELECT make_log_day(current_date + day) FROM generate_series(-4, 4) AS day;
ALTER DATABASE postgres SET search_path = "$user", public, chaos_clock, pg_catalog;
"""


def install(system: System) -> None:
    """Let the clock of the system's database step from now on, for every session that begins after this."""
    system.ask(_MAKE)


def step(system: System, skew: timedelta) -> None:
    """Set the clock: from now on it is so much ahead of the true one, or behind."""
    system.ask("INSERT INTO chaos_clock.step VALUES (pg_catalog.clock_timestamp(), %s)", skew)
