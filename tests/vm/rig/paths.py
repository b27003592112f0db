"""Where the rig finds things in the build directory."""
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
BUILD = TOP / "build"
IMAGES = BUILD / "images"
KERNELS = BUILD / "kernels"
QEMU = BUILD / "qemu/usr/bin/qemu-system-x86_64"    # from scripts/fetch-qemu; it may be absent
STATES = BUILD / "vm-states"
PLUGINS = BUILD / "plugin"   # of the emulator, from ../plugin
LOGS = BUILD / "vm-logs"


def vmlinux(kernel):
    return KERNELS / kernel / "vmlinux"


def initramfs(kernel):
    return IMAGES / f"small-{kernel}.cpio"


def system(image):
    """A whole system, which scripts/build-debian-image has made."""
    return IMAGES / f"{image}.ext4"


def payload(kernel):
    """What the build leaves here for a kernel is unpacked to /lvr in the guests."""
    return BUILD / "payload" / kernel
