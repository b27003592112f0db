"""PostgreSQL on a whole system: what scripts/demo and the exercise share."""

BIN = "/usr/lib/postgresql/15/bin"
AS_POSTGRES = "setpriv --reuid postgres --regid postgres --init-groups"
SETTINGS = """listen_addresses = ''
shared_buffers = 32MB
max_wal_size = 80MB
min_wal_size = 32MB
checkpoint_timeout = 30s
"""
# a table `ledger`, and one transaction per number; the number is printed once COMMIT has returned
CLIENT = r"""i=0
while :; do
    i=$((i + 1))
    printf 'BEGIN; INSERT INTO ledger VALUES (%d); COMMIT;\n\\echo %d\n' $i $i
done | stdbuf -oL psql -X -q -v ON_ERROR_STOP=1 postgres"""
# what pgbench moves in one table it moves in all
BOOKS = """SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)
    AND (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(delta) FROM pgbench_history)
    AND (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(delta) FROM pgbench_history)"""


def quoted(text):
    """A word for the shell."""
    return "'" + text.replace("'", "'\\''") + "'"
