"""Arguments: what is not understood is refused before anything is done."""
import re
import subprocess

import pytest
from conftest import TOOLS, TOP

VERBS = ("create start stop status promote demote failover connect disconnect wait events log "
         "destroy keygen").split()
GROUP_VERBS = [verb for verb in VERBS if verb not in ("status", "events", "log", "keygen")]
# enough for the verb to begin, were it not for what is added
ENOUGH = dict(create=["db", "--source"], wait=["db", "--in-sync"], log=["dump", "x"], keygen=["x"])


def alone(*args):
    """Without the options that the box adds."""
    return subprocess.run([TOOLS / "lvrctl", *args], capture_output=True, text=True, check=False)


def test_no_verb():
    for args in ([], [""]):
        done = alone(*args)
        assert done.returncode == 1 and "usage" in done.stderr


def test_help_and_version():
    assert alone("help").stdout == alone("--help").stdout
    assert alone("--version").stdout.startswith("lvrctl ")
    for word in ("help", "--help", "--version"):
        assert alone(word).returncode == 0
        assert alone(word, "x").returncode == 1


def test_unknown_verb(box):
    result = box.run("statsu")
    assert result.rc == 1 and 'unknown verb "statsu"' in result.err


@pytest.mark.parametrize("verb", VERBS)
def test_help(box, verb):
    result = box.run(verb, "--help")
    assert result.rc == 0 and result.out.startswith(f"usage: lvrctl {verb}")
    assert "--config-dir" in result.out and not result.err


@pytest.mark.parametrize("verb", GROUP_VERBS)
def test_group_is_needed(box, verb):
    result = box.run(verb)
    assert result.rc == 1 and "usage" in result.err


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("extra", (["--frobnicate"], ["db", "db", "db"], ["-f"], ["--node"]))
def test_unknown_argument_does_nothing(box, verb, extra):
    box.conf()
    box.key()
    box.disks()
    box.loaded()
    before = sorted(path.name for path in box.path.rglob("*"))
    result = box.run(verb, *ENOUGH.get(verb, ["db"]), *extra)
    assert result.rc == 1 and "lvrctl: " in result.err
    assert box.done() == []
    assert sorted(path.name for path in box.path.rglob("*")) == before


@pytest.mark.parametrize("args, text", (
    (["promote", "db", "--forc"], "unknown option --forc"),
    (["promote", "db", "--force=yes"], "--force takes no value"),
    (["promote", "db", "--force", "--force"], "--force is given twice"),
    (["start", "db", "--timeout", "soon"], 'found "soon", expected seconds'),
    (["start", "db", "--timeout", "-1"], "expected seconds"),
    (["start", "db", "--timeout", "nan"], "expected seconds"),
    (["start", "../db"], "is no name of a group"),
    (["create", "db"], "expected either --source or --target"),
    (["create", "db", "--source", "--target"], "expected either --source or --target"),
    (["wait", "db"], "nothing to wait for"),
    (["wait", "db", "--state", "happy"], "expected one of recovering waiting"),
    (["wait", "db", "--link", "happy"], "expected one of standalone waiting"),
    (["wait", "db", "--role", "happy"], "expected one of secondary primary"),
    (["status", "--watch", "--check"], "exclude each other"),
    (["log", "eat", "x"], 'found "eat", expected dump or check'),
))
def test_wrong_use(box, args, text):
    box.loaded()
    result = box.run(*args)
    assert result.rc == 1 and text in result.err
    assert box.done() == []


def test_no_group(box):
    for verb in GROUP_VERBS:
        result = box.run(verb, *ENOUGH.get(verb, ["db"]))
        assert result.rc == 3, (verb, result)
    assert box.run("status", "db").rc == 3


def test_exit_codes_are_in_the_man_page():
    codes = re.findall(r"^ +(\d+)  (.*)$", alone("help").stdout, re.M)
    page = (TOP / "docs/lvrctl.8.rst").read_text()
    assert [code for code, _ in codes] == [str(i) for i in range(11)]
    for code, _ in codes:
        assert re.search(rf"^{code}\n    \S", page, re.M), code


def test_verbs_and_options_are_in_the_man_page(box):
    page = (TOP / "docs/lvrctl.8.rst").read_text()
    for verb in VERBS:
        assert f"**{verb}**" in page, verb
        for option in re.findall(r"^  (--[a-z-]+)", box.run(verb, "--help").out, re.M):
            assert option in page, (verb, option)
