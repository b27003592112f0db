"""Options of the test suite."""
from rig.kernels import KERNELS


def pytest_addoption(parser):
    parser.addoption("--kernel", default="6.1", choices=KERNELS,
                     help="kernel series of the virtual machines")
    parser.addoption("--minutes", type=float,
                     help="begin no test after so long, and name those that were left out")
    parser.addoption("--cold", action="store_true",
                     help="boot each node really instead of starting it from a saved state")
    parser.addoption("--rounds", type=int, default=24, help="rounds of a long lane")
    parser.addoption("--seed", type=int, default=1, help="what a long lane draws its rounds from")
