"""The SQL of the broker on Postgres.

Claims are PGMQ's: its queues hand an item to exactly one of many. Streams are rows of our own,
which queues of PGMQ could not be: there the database numbers what is sent, so that what is sent
again is there twice, and after a crash it may give a number that a reader has behind it; here the
writer numbers. A queue is two tables, too, and its messages are JSON. Measured on one machine,
there and back: 2.5 ms over queues of PGMQ, 1.4 ms over rows; a queue takes 4 ms to make and 2 ms to
drop.

What a stream holds is not logged: a crash empties it, and the line sends that again. That there is
a stream is logged, and on disk before `create` returns.
"""

import hashlib
import re

from proxy.bus.streams import NOTICE_TTL_S, STREAM_TTL_S

# At most so many items, and about so many bytes, are read in one go.
READ_ITEMS = 256
READ_BYTES = 4 * 1024 * 1024

# Any number that nobody else takes: two processes that start at once must not both create tables.
_PREPARING = 7_415_106_285

READY = "SELECT to_regclass('trunkline.queues') IS NOT NULL"

HAS_PGMQ = """
SELECT count(DISTINCT p.proname) = 4
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace s ON s.oid = p.pronamespace
WHERE s.nspname = 'pgmq' AND p.proname IN ('create', 'send', 'pop', 'drop_queue')
"""

PREPARE = f"""
SELECT pg_advisory_xact_lock({_PREPARING});
CREATE SCHEMA IF NOT EXISTS trunkline;
CREATE TABLE IF NOT EXISTS trunkline.streams (
    name text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE UNLOGGED TABLE IF NOT EXISTS trunkline.items (
    stream text NOT NULL,
    n bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (stream, n)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
-- What is carried is packed or audio: trying to make it smaller takes longer than writing it.
ALTER TABLE trunkline.items ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE UNLOGGED TABLE IF NOT EXISTS trunkline.notices (
    board text NOT NULL,
    key text NOT NULL,
    value bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (board, key)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE TABLE IF NOT EXISTS trunkline.queues (name text PRIMARY KEY);
"""

RING = "SELECT pg_notify($1, '')"

SWEEP_STREAMS = """
WITH old AS (
    DELETE FROM trunkline.streams WHERE name IN (
        SELECT name FROM trunkline.streams WHERE expires_at <= now() FOR UPDATE SKIP LOCKED
    ) RETURNING name
), emptied AS (DELETE FROM trunkline.items WHERE stream IN (SELECT name FROM old))
SELECT name FROM old
"""

# An append that began before its stream was swept can leave these; nobody can read them.
SWEEP_ITEMS = """
DELETE FROM trunkline.items i
WHERE NOT EXISTS (SELECT 1 FROM trunkline.streams s WHERE s.name = i.stream)
"""

# On disk before it returns, however commits are set: a stream that a crash forgets ends a session.
CREATE = f"""
INSERT INTO trunkline.streams (name, expires_at)
SELECT name, now() + interval '{STREAM_TTL_S} s'
FROM (SELECT set_config('synchronous_commit', 'on', true)) AS durable, unnest($1::text[]) AS name
ORDER BY name
ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at
"""

# Both ends do this to the same rows: in one order, or they wait for each other.
REFRESH = f"""
UPDATE trunkline.streams SET expires_at = now() + interval '{STREAM_TTL_S} s'
WHERE name IN (
    SELECT name FROM trunkline.streams WHERE name = ANY($1::text[]) AND expires_at > now()
    ORDER BY name FOR NO KEY UPDATE
)
"""

REMOVE = """
DELETE FROM trunkline.streams WHERE name IN (
    SELECT name FROM trunkline.streams WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE
)
"""

# After `REMOVE` and in the same transaction, so that it sees what was appended until then.
REMOVE_ITEMS = "DELETE FROM trunkline.items WHERE stream = ANY($1::text[])"

RING_ALL = "SELECT pg_notify(bell, '') FROM unnest($1::text[]) AS bell"

# No row: the stream is gone. The lock keeps it from being removed while something is appended.
APPEND = """
WITH there AS (
    SELECT name FROM trunkline.streams WHERE name = $1 AND expires_at > now() FOR KEY SHARE
), added AS (
    INSERT INTO trunkline.items (stream, n, body)
    SELECT there.name, item.n, item.body
    FROM there, unnest($2::bigint[], $3::bytea[]) AS item(n, body)
    ON CONFLICT DO NOTHING
)
SELECT pg_notify($4, '') FROM there
"""

COUNT = "SELECT count(*) FROM (SELECT 1 FROM trunkline.items WHERE stream = $1 LIMIT $2) AS held"

# Removes what was handed out and gives what comes next. No row: the stream is gone; one row
# without a number: there is nothing.
READ = f"""
WITH taken AS (DELETE FROM trunkline.items WHERE stream = $1 AND n > $2 AND n <= $3)
SELECT next.n, next.body
FROM trunkline.streams s LEFT JOIN LATERAL (
    SELECT n, body FROM (
        SELECT n, body, sum(length(body)) OVER (ORDER BY n) - length(body) AS before
        FROM (
            SELECT n, body FROM trunkline.items
            WHERE stream = s.name AND n > $3 ORDER BY n LIMIT {READ_ITEMS}
        ) AS ahead
    ) AS measured
    WHERE before < {READ_BYTES}
) AS next ON true
WHERE s.name = $1 AND s.expires_at > now()
ORDER BY next.n
"""

# The row of a queue is locked while the queue is used, and gone when it is.
USE_QUEUE = """
INSERT INTO trunkline.queues (name) VALUES ($1)
ON CONFLICT (name) DO UPDATE SET name = excluded.name
"""

CREATE_QUEUE = "SELECT pgmq.create($1) WHERE to_regclass('pgmq.q_' || $1) IS NULL"

PUT = """
SELECT pgmq.send($1, jsonb_build_object(
    'item', encode($2::bytea, 'base64'),
    'until', extract(epoch FROM clock_timestamp()) + $3::float8
)), pg_notify($4, '')
"""

TAKE = """
SELECT p.message::text AS message, decode(p.message->>'item', 'base64') AS item,
    (p.message->>'until')::float8 > extract(epoch FROM clock_timestamp()) AS fresh
FROM (
    SELECT name FROM trunkline.queues
    WHERE name = $1 AND to_regclass('pgmq.q_' || name) IS NOT NULL FOR KEY SHARE
) AS q, LATERAL pgmq.pop(q.name) AS p
"""

GIVE_BACK = "SELECT pgmq.send($1, $2::text::jsonb), pg_notify($3, '')"

QUEUES = "SELECT name FROM trunkline.queues ORDER BY name"

# Whoever uses the queue now keeps it.
LOCK_QUEUE = "SELECT name FROM trunkline.queues WHERE name = $1 FOR UPDATE SKIP LOCKED"

DROP_QUEUE = "SELECT pgmq.drop_queue($1) WHERE to_regclass('pgmq.q_' || $1) IS NOT NULL"

FORGET_QUEUE = "DELETE FROM trunkline.queues WHERE name = $1"

# Whoever is alive removes what the dead have put up.
POST = f"""
WITH old AS (
    DELETE FROM trunkline.notices WHERE (board, key) IN (
        SELECT board, key FROM trunkline.notices
        WHERE expires_at <= now() AND NOT (board = $1 AND key = $2) FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO trunkline.notices (board, key, value, expires_at)
VALUES ($1, $2, $3, now() + interval '{NOTICE_TTL_S} s')
ON CONFLICT (board, key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
"""

UNPOST = "DELETE FROM trunkline.notices WHERE board = $1 AND key = $2"

NOTICES = "SELECT key, value FROM trunkline.notices WHERE board = $1 AND expires_at > now()"

SWEEP_NOTICES = """
DELETE FROM trunkline.notices WHERE (board, key) IN (
    SELECT board, key FROM trunkline.notices WHERE expires_at <= now() FOR UPDATE SKIP LOCKED
)
"""


def has_claims(queue: str) -> str:
    """Return the SQL that tells whether a queue holds an item that is not too old.

    Args:
        queue: A name that `queue_of` gave.
    """
    return f"""
    SELECT EXISTS (
        SELECT 1 FROM pgmq.q_{queue}
        WHERE (message->>'until')::float8 > extract(epoch FROM clock_timestamp())
    )
    """


def queue_of(name: str) -> str:
    """Return what PGMQ calls a queue: short, in lower case, and never the same for two names."""
    start = re.sub(r"[^a-z0-9_]", "_", name.lower())[:20]
    return f"{start}_{_hash(name, 12)}"


def bell_of(name: str) -> str:
    """Return the channel on which is told that something came into a stream or a queue."""
    return f"trunkline_{_hash(name, 20)}"


def _hash(name: str, size_bytes: int) -> str:
    return hashlib.blake2b(name.encode(), digest_size=size_bytes).hexdigest()
