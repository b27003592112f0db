"""A secondary that lags, frozen at random moments as a crash leaves it, is a prefix over all volumes.

Each freeze is judged twice: as it replays by itself, and as it is after a takeover. Then the copy is
put back as it was frozen, and catches up with a primary that never stopped."""
import random
import shutil
import signal

import pytest
from lane import Game, end, moment
from operate import bring_together

DELAYS = ("delay 5ms", "delay 60ms 40ms", "delay 20ms 10ms 25%", "delay 10ms reorder 30% 50%")
LOSSES = ("", "", "loss 1%", "loss 3% 25%", "duplicate 2%")
RATES = (0, 0, 1, 5, 20)         # Mbit/s for small blocks, 0: as it is
MTUS = (1500, 1500, 576, 296)
FAR = 100       # records


class Lagging(Game):
    def __init__(self, lab, figure, seed):
        super().__init__(lab, figure, seed, mode=["async", "async", "async", "sync"])
        self.primary, self.other = self.pair.a, self.pair.b

    def slow(self, chance):
        """The link as the round has it, over both directions."""
        rate = chance.choice(RATES) * max(self.block // 4096, 1)
        options = " ".join(filter(None, (chance.choice(DELAYS), chance.choice(LOSSES), f"rate {rate}mbit" * (rate > 0))))
        mtu = chance.choice(MTUS)
        self.say(f"link: {options}, MTU {mtu}")
        for node in self.pair.nodes:
            node.run(f"ip link set dev eth0 mtu {mtu}")
        self.lab.links.set(options)

    def write(self, load, writes):
        target = load.done + writes
        self.lab.wait(lambda: load.done >= target or load.job.poll() is not None, timeout=180,
                      what=f"{writes} writes")
        assert load.job.poll() is None, load.job.err

    def promise(self, load):
        """How many writes the secondary must hold at a crash that comes later."""
        done, status = load.done, self.pair.status(self.primary)
        return done if status["in_sync"] == 1 or status["lag_records"] == 0 else 0

    def freeze(self, chance):
        """The secondary loses its power; keeps aside what that left of its disks."""
        lag = self.pair.status(self.primary)["lag_records"]
        self.other.power_cut(chance.randint(1, 10 ** 6), chance.choice(["random", "random", "drop", "keep"]))
        self.figure.add("freezes")
        self.figure.add(f"of them {FAR} records behind or more", int(lag >= FAR))
        self.say(f"frozen, {lag} records behind")
        for disk in self.other.disks.values():
            shutil.copy(disk.image, f"{disk.image}.frozen")

    def put_back(self):
        self.other.kill()
        for disk in self.other.disks.values():
            disk.live.unlink(missing_ok=True)
            shutil.copy(f"{disk.image}.frozen", disk.image)

    def judge(self, load, promised):
        """The frozen copy, away from its primary."""
        pair, other, done = self.pair, self.other, load.done
        load.job.kill(signal.SIGSTOP)       # the writer rests, so that this does not take for ever
        self.lab.cut()
        pair.reboot(other)
        pair.wait(other, state="standby", consistent=1)
        pair.stop(other)
        alone = self.check(load, other, 0, pair.raw())
        pair.start(other)
        pair.failover(other)
        taken_over = self.check(load, other, promised)
        self.say(f"promised {promised}, found {alone} alone, {taken_over} after a takeover, done {done}")
        self.put_back()
        load.job.kill(signal.SIGCONT)


@pytest.mark.seconds(3600)
def test_lagging(lab, figure, game):
    seed, rounds = game
    game = Lagging(lab, figure, seed)
    game.say(game.options, f"blocks of {game.block}")
    game.pair.up()
    for number in range(rounds):
        chance = random.Random(f"{seed} {number}")
        game.slow(chance)
        load = game.load(chance)
        game.write(load, chance.randint(20, 200))
        promised = game.promise(load)
        moment(chance, 1)
        game.freeze(chance)
        game.judge(load, promised)
        game.pair.reboot(game.other)
        game.lab.links.set("")
        game.write(load, 20)
        end(load)
        bring_together(game)
        game.check(load, game.primary, load.done)
        game.check_equal()
        game.wipe(chance)
        figure.add("rounds")
