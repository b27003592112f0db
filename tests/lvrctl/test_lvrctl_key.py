"""The shared key: made and read for root only, told to the kernel only."""
import os

import pytest

GOOD = "00112233445566778899aabbccddeeff"


def test_keygen(box):
    file = box.path / "new.key"
    result = box.run("keygen", file)
    assert result.rc == 0 and not result.out
    assert file.stat().st_mode & 0o7777 == 0o600
    assert len(bytes.fromhex(file.read_text())) == 32
    assert file.read_text() not in result.err


def test_keygen_makes_another_each_time(box):
    box.run("keygen", box.path / "a")
    box.run("keygen", box.path / "b")
    assert (box.path / "a").read_text() != (box.path / "b").read_text()


def test_keygen_overwrites_nothing(box):
    file = box.key()
    result = box.run("keygen", file)
    assert result.rc == 4 and "File exists" in result.err
    assert file.read_text().strip() == GOOD


def test_keygen_nowhere(box):
    assert box.run("keygen", box.path / "no/where").rc == 6


def prepared(box, *key, **kwargs):
    box.conf()
    box.disks()
    box.status()
    assert box.run("create", "db", "--source").rc == 0
    box.done()
    return box.key(*key, **kwargs)


def test_good(box):
    prepared(box)
    result = box.run("start", "db")
    assert result.rc == 0
    assert f"message db set-key {GOOD} secretly" in box.done()
    assert GOOD not in result.err + result.out


@pytest.mark.parametrize("text", ("", "\n", "00", "001122334455667788", GOOD[:-1], GOOD + "zz\n",
                                  GOOD * 4 + "00", GOOD * 5, "key = " + GOOD))
def test_bad_content(box, text):
    prepared(box, text)
    result = box.run("start", "db")
    assert result.rc == 2 and "expected 16 to 64 bytes as hex digits" in result.err
    assert box.done() == []


@pytest.mark.parametrize("text", (GOOD * 4, GOOD.upper() + "\r\n"))
def test_odd_but_good_content(box, text):
    prepared(box, text)
    assert box.run("start", "db").rc == 0


@pytest.mark.parametrize("mode", (0o640, 0o604, 0o620, 0o666))
def test_bad_mode(box, mode):
    prepared(box, mode=mode)
    result = box.run("start", "db")
    assert result.rc == 2 and "expected no access for group and others" in result.err
    assert box.done() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_bad_owner(box):
    os.chown(prepared(box), 1, 1)
    result = box.run("start", "db")
    assert result.rc == 2 and "expected root" in result.err


def test_not_there(box):
    prepared(box).unlink()
    result = box.run("start", "db")
    assert result.rc == 2 and "keygen" in result.err
    assert box.done() == []
