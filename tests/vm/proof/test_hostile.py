"""A peer that holds the key and keeps to no rule: frames of both ways are damaged at random, over and over,
while the primary is written to. The link is made again each time, and no damage gets past it."""
import random
import signal

import pytest
from kit import connections, mem_free_kib, settle, threads
from lane import Game, Violation, end
from meddled import Meddled
from pair import Load

ACTS = 15               # of mischief in a round
THREADS_MORE = 8        # the kernel's own come and go
MEM_KIB = 32 << 10      # the buffers of some connections that end, and what else comes and goes
VOLUME_MIB = 64         # so much that what is once wrong is seldom written over before it is looked at
BLOCKS_MOST = 16384
RECONNECT = "while sleep 0.2; do lvrctl connect g0; done"      # nobody sits out a back-off


def acts(pair):
    return pair.meddler.out.count("hostile ")


def unharmed(game, before, synced):
    """Both nodes are what they were, and hold no more than they did."""
    pair = game.pair
    for node, state, (count, free) in zip(pair.nodes, ("active", "standby"), before, strict=True):
        status = pair.wait(node, link="streaming", timeout=180)
        if status["state"] != state or not status["consistent"]:
            raise Violation(f"{node.name} is {status}")
        if threads(node) > count + THREADS_MORE or free - mem_free_kib(node) > MEM_KIB:
            raise Violation(f"{node.name} holds more: threads, KiB free {before}, "
                            f"now {threads(node)}, {mem_free_kib(node)}")
    if connections(pair.b, 7794) != 1:
        raise Violation(f"{connections(pair.b, 7794)} connections")
    if pair.status(pair.a)["sync_bytes"] != synced:
        raise Violation("a full synchronisation was made")


@pytest.mark.seconds(3600)
def test_hostile(lab, figure, game):
    seed, rounds = game
    game = Game(lab, figure, seed, make=Meddled, log_mib=256, volume_mib=VOLUME_MIB, mode=["async", "async", "sync"])
    pair, chance = game.pair, random.Random(f"{seed} rounds")
    game.say(game.options, f"blocks of {game.block}")
    pair.up()
    synced = pair.status(pair.a)["sync_bytes"]
    load = Load(pair, pair.a, depth=4, block=game.block, blocks=min((VOLUME_MIB << 20) // game.block, BLOCKS_MOST))
    load.run_until(10)
    before = [(threads(node), mem_free_kib(node)) for node in pair.nodes]
    for _ in range(rounds):
        pair.through(f"random {chance.randint(1, 10 ** 6)}")
        again = pair.a.spawn(RECONNECT)
        lab.wait(lambda: acts(pair) >= ACTS or load.job.poll() is not None, timeout=300, what=f"{ACTS} acts")
        again.kill()
        lines = pair.meddler.out.splitlines()
        figure.add("connections", lines.count("connection"))
        figure.add("hostile frames", acts(pair))
        game.say(", ".join(line.removeprefix("hostile ") for line in lines if line.startswith("hostile")))
        pair.through()
        load.run_until(10)
        load.job.kill(signal.SIGSTOP)       # else a link that is slower than the writer never gets through
        unharmed(game, before, synced)
        settle(pair)
        game.check_equal()
        load.job.kill(signal.SIGCONT)
        figure.add("rounds")
    end(load)
    game.check(load, pair.a, load.done)
