"""Looking an interface up by its name: one that is not there is not one that could not be asked for."""

from __future__ import annotations

import errno

from .errors import GoneError, cannot
from .kernel import Kernel
from .netlink import Link


def find_interface(kernel: Kernel, name: str) -> Link:
    """The interface in the thread's network namespace. Raises GoneError, and CannotError for other faults."""
    try:
        return kernel.net.link(name)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise cannot(error, f"look for interface {name}") from error
        raise GoneError(
            f"there is no interface {name} in this network namespace",
            "see `ip link`; for another namespace give --netns NAME",
        ) from error
