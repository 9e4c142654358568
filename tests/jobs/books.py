"""What the tests of exports and drills have in their databases."""

from tests.jobs.amazon import Account

BOOKS = """
    CREATE SCHEMA "Ledger x";
    CREATE TYPE mood AS ENUM ('up', 'down');
    CREATE TABLE accounts (id bigserial PRIMARY KEY, name text NOT NULL, mood mood, at timestamptz, raw bytea,
                           f float8);
    INSERT INTO accounts (name, mood, at, raw, f)
        SELECT 'Näme ' || n, 'up', '2026-01-01Z'::timestamptz + n * interval '1 hour',
               decode(md5(n::text), 'hex'), n / 3.0
        FROM generate_series(1, 500) n;
    INSERT INTO accounts (name) VALUES ('twin'), (E'line\\nbreak');
    CREATE TABLE "Ledger x"."Odd name" (row int, "t" text, account bigint REFERENCES accounts);
    INSERT INTO "Ledger x"."Odd name" VALUES (1, 'x', 1), (1, 'x', 1), (NULL, NULL, NULL);
    CREATE TABLE parted (day date, n int) PARTITION BY RANGE (day);
    CREATE TABLE parted_2026 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO parted VALUES ('2026-02-02', 7);
    CREATE TABLE empty ();
    CREATE VIEW rich AS SELECT * FROM accounts WHERE id > 400;
"""


def fill(account: Account, tenant: str, statements: str) -> None:
    with account.server.session(f"tn_{tenant}_a", account.password(tenant, 1), f"tn_{tenant}") as session:
        session.execute(statements.encode())
