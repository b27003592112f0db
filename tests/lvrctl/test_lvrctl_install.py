"""What `make install` puts where, and that it fits together."""
import re
import shutil
import subprocess

import pytest
from conftest import TOOLS, TOP


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["make", "-s", "-C", TOP / "lvrctl", "install", f"DESTDIR={root}", "PREFIX=/opt/lvr"],
                   check=True)
    return root


def test_files(root):
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert files == {
        "opt/lvr/sbin/lvrctl", "opt/lvr/share/man/man8/lvrctl.8", "opt/lvr/share/man/man5/lvr.conf.5",
        "opt/lvr/share/bash-completion/completions/lvrctl", "lib/udev/rules.d/57-lvr.rules",
        "lib/systemd/system/lvr@.service"}
    assert (root / "etc/lvr").is_dir()


def test_unit(root):
    unit = (root / "lib/systemd/system/lvr@.service").read_text()
    assert "ExecStart=/opt/lvr/sbin/lvrctl start %i" in unit and "@" not in unit.replace("lvr@GROUP", "")
    assert "SuccessExitStatus=8\n" in unit     # start timed out: recovery goes on
    for verb, args in re.findall(r"=/opt/lvr/sbin/lvrctl (\w+)(.*)", unit):
        usage = subprocess.run([root / "opt/lvr/sbin/lvrctl", verb, "--help"], check=True,
                               capture_output=True, text=True).stdout
        for option in re.findall(r"--[a-z-]+", args):
            assert option in usage


def test_rules(root):
    """Each jump has its label, behind it, and each label a jump."""
    rules = (root / "lib/udev/rules.d/57-lvr.rules").read_text()
    jumps = [(match.start(), match[1]) for match in re.finditer(r'GOTO="(\w+)"', rules)]
    labels = {match[1]: match.start() for match in re.finditer(r'LABEL="(\w+)"', rules)}
    assert {name for _, name in jumps} == set(labels)
    assert all(at < labels[name] for at, name in jumps)


@pytest.mark.parametrize("words, completed", (
    (["st"], ["start", "status", "stop"]),
    (["log", ""], ["check", "dump"]),
    (["start", "no-such-"], []),
    (["keygen", "lvr"], ["lvrctl"]),
    (["log", "check", "lvr"], ["lvrctl"]),
    (["promote", "db", "--f"], ["--force"]),
    (["wait", "db", "--role", ""], ["primary", "secondary"]),
    (["wait", "db", "--link", "s"], ["standalone", "streaming", "syncing"]),
    (["wait", "db", "--state", "un"], ["unconfirmed"]),
))
def test_completion(root, tmp_path, words, completed):
    shutil.copy(TOOLS / "lvrctl", tmp_path / "lvrctl")
    script = (root / "opt/lvr/share/bash-completion/completions/lvrctl").read_text()
    quoted = " ".join(f"'{word}'" for word in ["lvrctl", *words])
    done = subprocess.run(
        ["bash", "-euc", f'PATH={tmp_path}:$PATH\n{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words)}\n'
         '_lvrctl; printf "%s\\n" "${COMPREPLY[@]}"'],
        capture_output=True, text=True, check=True, cwd=tmp_path)
    assert sorted(done.stdout.split()) == completed
