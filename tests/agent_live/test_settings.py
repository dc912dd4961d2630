"""What a restart of the agent with other settings swaps, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from polc.pair.layout import ConfigFlag, Direction
from polc.pair.provenance import ProvenanceTable
from polc.runtime.bpf import Object
from polc.runtime.kernel import Kernel
from polc.runtime.policy import Policy, read_policy
from polc.tests.agent_live.field import Field

pytestmark = pytest.mark.kernel
HOST = """\
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: host}
spec: {node: here, interfaceName: ep1, expectedIPs: [192.0.2.1]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: hosts}
spec: {selector: "!has(app)"}
"""


def in_force(field: Field, name: str) -> tuple[list[str], list[bool]]:
    """The failsafe ports towards the endpoint, and whether each direction keeps old flows."""
    status = field.status(name)

    def look(kernel: Kernel) -> list[Policy]:
        found = []
        for one in status.policies:
            program = kernel.bpf.fd_by_id(Object.PROG, one.program)
            assert program is not None
            with program:
                policy = read_policy(kernel.bpf, program)
            assert isinstance(policy, Policy)
            found.append(policy)
        return found

    policies = field.run(look)
    table = policies[Direction.INGRESS].table()
    assert isinstance(table, ProvenanceTable)
    ports = [rule.policy for rule in table.rules if rule.what == "failsafe"]
    return ports, [ConfigFlag.KEEP_ESTABLISHED in one.config.flags for one in policies]


def test_a_restart_with_other_settings_swaps_once_what_they_concern(plough: Callable[[int], Field]) -> None:
    field = plough(2)
    field.policy("ep0", 1000)
    field.inventory("ep0")
    field.write("host.yaml", HOST)
    field.once()
    assert len(in_force(field, "ep1")[0]) == 9
    settings = field.folder.parent / "agent.toml"
    settings.write_text('failsafe-inbound = "udp:7003"\n')
    for drift in ({"other-policy": 1, "settings": 1}, {}):
        done, report = field.once("--config", str(settings), "--keep-established")
        assert (done.code, report and report.totals.drift) == (0, drift), done
    assert report is not None
    assert report.totals.writes == 0
    assert in_force(field, "ep0") == ([], [True, True])
    assert in_force(field, "ep1") == (["--failsafe-inbound udp:7003"], [True, True])
    assert field.generations() == {"ep0": 2, "ep1": 2}
