"""SQLite in both of its ways to be durable: a write-ahead log, and a rollback journal."""
import re

import pytest
from exercise import SECONDS, Exercise, Program, complaints

# the durability of each is that of its COMMIT
MODES = {"wal": "PRAGMA journal_mode=wal; PRAGMA synchronous=full; PRAGMA wal_autocheckpoint=40;",
         "rollback": "PRAGMA journal_mode=delete; PRAGMA synchronous=extra;"}
SCHEMA = """
CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE ledger (n INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account, body BLOB, digest BLOB);
CREATE INDEX by_digest ON ledger (digest);
INSERT INTO account SELECT value, 0 FROM generate_series(0, 49);
"""
# one transaction per number: money moves, some rows go; the number is printed once COMMIT has returned
WRITER = r"""i=$(sqlite3 -bail /srv/{mode}/db 'SELECT coalesce(max(n), 0) FROM ledger')
end=$((i + {count}))
while [ $i -lt $end ]; do
    i=$((i + 1))
    cat <<SQL
BEGIN IMMEDIATE;
WITH new AS MATERIALIZED (SELECT randomblob(200 + $i * 977 % 9000) AS body)
    INSERT INTO ledger SELECT $i, $i % 50, body, sha3(body) FROM new;
UPDATE account SET balance = balance + $i WHERE id = $i % 50;
UPDATE account SET balance = balance - $i WHERE id = $i * 7 % 50;
UPDATE ledger SET body = NULL, digest = NULL WHERE n = $i - 100;
COMMIT;
.print {mode} $i
SQL
done | stdbuf -oL sqlite3 -bail -cmd '{pragmas}' /srv/{mode}/db"""
CHECKS = {"PRAGMA integrity_check": "ok", "PRAGMA foreign_key_check": "",
          "SELECT sum(balance) FROM account": "0",
          "SELECT max(n) - count(*) FROM ledger": "0",
          "SELECT count(*) FROM ledger WHERE digest <> sha3(body)": "0"}


def expect(mode, query, wanted):
    """A command that fails with the query's result if it is not the wanted one."""
    return (f"""got=$(sqlite3 -bail /srv/{mode}/db '{query}' 2>&1); """
            f"""[ "$got" = '{wanted}' ] || {{ echo "$got"; false; }}""")


class Sqlite(Program):
    volumes = {mode: 64 for mode in MODES}
    mode = "sync"

    def make(self, node):
        self.format(node)
        self.mount(node)
        for mode, pragmas in MODES.items():
            node.run(f"sqlite3 -bail /srv/{mode}/db", input=pragmas + SCHEMA)

    def writers(self, node, count, then=""):
        """Begins a writer in each mode."""
        commands = [(WRITER + then).format(count=count, mode=mode, pragmas=pragmas)
                    for mode, pragmas in MODES.items()]
        return node.spawn("\n".join(f"({command}) & jobs=\"$jobs $!\"" for command in commands)
                          + "\nfor job in $jobs; do wait $job || exit; done")

    def work(self, node):
        return self.writers(node, 200, " >/dev/null && "
                            "sqlite3 -bail /srv/{mode}/db VACUUM 'SELECT max(n) FROM ledger'")

    def endless(self, node):
        self.mount(node)
        return self.writers(node, 10 ** 9)

    def committed(self, job):
        """The numbers of each mode whose commit was acknowledged."""
        return {mode: re.findall(rf"^{mode} (\d+)\n", job.out, re.MULTILINE) for mode in MODES}

    def promised(self, node, job):
        self.pair.lab.wait(lambda: min(map(len, self.committed(job).values())) >= 20, timeout=SECONDS,
                           what="20 commits in each mode")
        return {mode: numbers[-1] for mode, numbers in self.committed(job).items()}

    def check(self, node, promised=None):
        self.mount(node)
        found = complaints(node, [expect(mode, query, wanted) for mode in MODES for query, wanted in CHECKS.items()])
        if promised:
            found += complaints(node, [expect(mode, f"SELECT max(n) >= {number} FROM ledger", "1")
                                       for mode, number in promised.items()])
        self.unmount(node)
        return found

    def spoil(self, node):
        """A page in the middle of each database."""
        self.mount(node)
        for mode in MODES:
            path = f"/srv/{mode}/db"
            node.run(f"dd if=/dev/urandom of={path} bs=4096 seek=$(($(stat -c %s {path}) / 8192)) count=1 "
                     "conv=notrunc,fsync 2>/dev/null")
        self.unmount(node)
        return [f"/srv/{mode}/db 'PRAGMA integrity_check'" for mode in MODES]


@pytest.mark.seconds(1800)
def test_sqlite(lab):
    """The peer's databases are sound and hold all transactions up to one, after a takeover all that were
    acknowledged while the peer was in sync."""
    Exercise(lab, Sqlite).run()
