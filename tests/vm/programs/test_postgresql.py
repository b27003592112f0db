"""PostgreSQL under pgbench, data and write-ahead log on volumes of their own."""
import pytest
from exercise import SECONDS, Exercise, Program, complaints
from postgres import AS_POSTGRES, BIN, BOOKS, CLIENT, SETTINGS, quoted

PSQL = "psql -X -q -At -v ON_ERROR_STOP=1 postgres"
NO_HOLES = "SELECT coalesce(max(n), 0) = count(*) FROM ledger"
WORK = """set -e
pgbench -n -c 4 -j 2 -t 100 postgres 2>&1 | grep -E 'processed|failed|tps'
psql -X -q -c 'VACUUM FULL pgbench_accounts' -c 'REINDEX DATABASE postgres' postgres
pgbench -n -c 4 -t 25 postgres >/dev/null 2>&1"""


def as_postgres(command):
    return f"cd / && export PATH=$PATH:{BIN} && {AS_POSTGRES} {command}"


class Postgresql(Program):
    volumes = {"data": 256, "wal": 160}
    mode = "sync"

    def run(self, node, command, **options):
        return node.run(as_postgres(command), timeout=SECONDS, **options)

    def sql(self, node, query):
        return self.run(node, PSQL, input=query).out.strip()

    def control(self, node, action):
        self.run(node, f"pg_ctl -D /srv/data/pg -l /var/log/postgresql/exercise.log -w -t {SECONDS} {action}")

    def start(self, node):
        self.mount(node)
        self.control(node, "start")

    def rest(self, node):
        self.control(node, "-m fast stop")
        self.unmount(node)

    def make(self, node):
        self.format(node)
        self.mount(node)
        node.run("install -d -o postgres -m 700 /srv/data/pg /srv/wal/pg")
        self.run(node, "initdb -k -D /srv/data/pg --waldir=/srv/wal/pg -E UTF8 --locale=C")
        node.run("cat >>/srv/data/pg/postgresql.conf", input=SETTINGS)
        self.control(node, "start")
        self.sql(node, "CREATE TABLE ledger (n bigint PRIMARY KEY); CREATE EXTENSION amcheck;")
        self.run(node, "pgbench -i -q -s 2 postgres")

    def work(self, node):
        return node.spawn(as_postgres(f"sh -c {quoted(WORK)}"))

    def endless(self, node):
        self.start(node)
        self.sql(node, "TRUNCATE ledger")
        self.bench = node.spawn(as_postgres("pgbench -n -c 4 -T 3600 postgres 2>&1"))
        return node.spawn(as_postgres(f"sh -c {quoted(CLIENT)}"))

    def promised(self, node, job):
        """The last number whose commit was acknowledged."""
        self.pair.lab.wait(lambda: job.out.count("\n") > 20, timeout=SECONDS, what="20 commits")
        assert self.bench.poll() is None, f"pgbench ended: {self.bench.out}"
        return int(job.out.split("\n")[-2])

    def check(self, node, promised=None):
        self.start(node)
        queries = [BOOKS, NO_HOLES, f"SELECT count(*) >= {promised or 0} FROM ledger"]
        found = complaints(node, [
            as_postgres("pg_amcheck --install-missing --heapallindexed --parent-check --rootdescend --all"),
            *(as_postgres(f"{PSQL} -c {quoted(query)} | grep -x t") for query in queries)])
        self.rest(node)
        self.mount(node)
        found += complaints(node, [as_postgres("pg_checksums --check -D /srv/data/pg")])
        self.unmount(node)
        return found

    def spoil(self, node):
        """Some bytes of a page of a table."""
        self.start(node)
        path = self.sql(node, "SELECT pg_relation_filepath('pgbench_accounts')")
        self.rest(node)
        self.mount(node)
        node.run(f"printf spoilt | dd of=/srv/data/pg/{path} bs=1 seek=45000 conv=notrunc,fsync 2>/dev/null")
        self.unmount(node)
        return ["pg_amcheck .*invalid page in block 5", "pg_checksums .*checksum verification failed"]


@pytest.mark.seconds(1800)
def test_postgresql(lab):
    """The peer's cluster is sound and its books balance; after a takeover it has all that was committed while the
    peer was in sync."""
    Exercise(lab, Postgresql).run()
