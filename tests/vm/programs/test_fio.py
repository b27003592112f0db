"""fio writes, trims and verifies on raw volumes."""
import base64

import pytest
from exercise import Exercise, Program, complaints

GLOBAL = """[global]
filename={device}
ioengine=libaio
direct=1
verify=crc32c
verify_fatal=1
randseed={seed}
"""
# in areas of their own, each block written once: the checksums of all can be verified at any later time
WORK = GLOBAL + """[small]
rw=randrw
rwmixwrite=70
bssplit=512/30:2k/20:4k/50
size=8m
iodepth=16
[mixed]
rw=randwrite
bsrange=4k-128k
offset=8m
size=40m
iodepth=8
[trimmed]
rw=randtrimwrite
bs=16k
offset=48m
size=16m
iodepth=4
[stream]
rw=write
bs=512k
offset=64m
size=32m
fsync=8
"""
# for the power cut. No reads: the state that fio saves counts them, and would promise too much
ENDLESS = GLOBAL + """[scattered]
rw=randwrite
bsrange=512-16k
size=48m
iodepth=4
[trimmed]
rw=randtrimwrite
bs=4k
offset=48m
size=16m
"""
NOISE = "fio --name=noise --filename={} --direct=1 --rw=randwrite --bs=4k --offset=64m --size=8m --time_based " \
    "--runtime=3600 --output=/dev/null"


class Fio(Program):
    volumes = {"data": 96, "more": 72}
    mode = "sync"
    seed = 1        # of the endless load

    def command(self, node, jobs, device, seed, options):
        """A command line; `seed` decides which blocks there are, and in which order they come."""
        node.put(f"/run/{device}.fio", jobs.format(device=self.devices[device], seed=seed))
        return f"cd /run && fio --output=/run/{device}.out {options} {device}.fio"

    def work(self, node):
        return node.spawn(self.command(node, WORK, "data", 1, "") + " && grep -E '(READ|WRITE|TRIM):' data.out")

    def rest(self, node):
        """No file systems."""

    def endless(self, node):
        """Told to, fio saves how far each job has come, and ends; noise goes on."""
        self.seed += 1
        node.run(f"blkdiscard {self.devices['more']}; rm -f /run/now /run/saved /run/*.state")
        trigger = "tar -cf - *.state | base64 -w0 >states && mv states saved"
        self.stating = node.spawn(self.command(node, ENDLESS, "more", self.seed,
                                               f"--trigger-file=/run/now --trigger='{trigger}'"))
        return node.spawn(NOISE.format(self.devices["more"]))

    def promised(self, node, job):
        assert self.stating.poll() is None, f"fio ended too early: {self.stating.out}{self.stating.err}"
        node.run("touch /run/now")
        self.pair.lab.wait(lambda: node.run("test -e /run/saved", check=False).rc == 0, what="fio to save its state")
        return base64.b64decode(node.get("/run/saved"))

    def check(self, node, promised=None):
        commands = [self.command(node, WORK, "data", 1, "--verify_only")]
        if promised:
            node.put("/run/states.tar", promised)
            node.run("rm -f /run/*.state && tar -C /run -xf /run/states.tar")
            commands.append(self.command(node, ENDLESS, "more", self.seed, "--verify_only --verify_state_load=1"))
        return complaints(node, commands)

    def spoil(self, node):
        """A sector in the middle of the stream."""
        node.run(f"dd if=/dev/zero of={self.devices['data']} bs=512 seek=170000 count=1 oflag=direct conv=notrunc")
        return ["crc32c: verify failed at .* offset 87031808"]


@pytest.mark.seconds(1800)
def test_fio(lab):
    """Every block that fio wrote on one node passes fio's verification on the other, after a switch-over, and
    after a takeover all that fio had been told was written, too."""
    Exercise(lab, Fio).run()
