"""compile, check and inspect as a user runs them: files, reports, messages and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from polc.cli.commands.compile import CompileReport
from polc.pair.inspection import Inspection
from polc.pair.layout import Direction
from polc.pair.object import read_pair
from polc.tests.cli.command import EXAMPLES, polc

SHOP = (EXAMPLES / "shop" / "inventory.yaml", EXAMPLES / "shop" / "policy.yaml")
BROKEN = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  ingress:
    - action: Alow
      protcol: TCP
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compiled")
    assert polc("compile", *SHOP, "-o", out).code == 0
    return out


def test_compile_writes_a_pair_for_each_endpoint_and_no_other_file(compiled: Path) -> None:
    names = sorted(path.name for path in compiled.iterdir())
    assert names == [
        "front.client.egress.o",
        "front.client.ingress.o",
        "shop.web.egress.o",
        "shop.web.ingress.o",
    ]


def test_what_compile_writes_is_a_pair_for_its_endpoint(compiled: Path) -> None:
    ingress, egress = ((compiled / f"shop.web.{side}.o").read_bytes() for side in ("ingress", "egress"))
    pair = read_pair(ingress, egress)
    assert pair.endpoint == "shop/web"
    assert pair.ingress.addresses == ("10.77.2.2", "fd77:2::2")


def test_compile_reports_the_identity_of_what_it_wrote(tmp_path: Path) -> None:
    done = polc("compile", *SHOP, "-o", tmp_path / "out", "--endpoint", "shop/web", "--format", "json")
    report = CompileReport.model_validate_json(done.out)
    [pair] = report.pairs
    for side in pair.objects:
        seen = json.loads(polc("inspect", side.file, "--format", "json").out)
        assert seen["identity"] == pair.identity
        assert seen["instructions"] == side.instructions > 0
        assert seen["table_bytes"] == side.table_bytes


def test_emit_writes_what_it_names_and_says_so(tmp_path: Path) -> None:
    done = polc(
        "compile", *SHOP, "-o", "out", "--endpoint", "shop/web", "--emit", "ir,plan,llvm,asm", cwd=tmp_path
    )
    assert done.code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    for suffix in ("ir", "ingress.plan", "egress.plan", "ingress.ll", "egress.s"):
        assert f"shop.web.{suffix}" in names
        assert f"out/shop.web.{suffix}" in done.out


def test_labels_need_no_inventory(tmp_path: Path) -> None:
    policy = EXAMPLES / "labels-only.yaml"
    done = polc("compile", policy, "-o", tmp_path, "--labels", "role=cache", "--format", "json")
    [pair] = CompileReport.model_validate_json(done.out).pairs
    assert pair.endpoint == ""
    assert Path(pair.objects[0].file).is_file()


def test_a_wrong_policy_is_exit_1_with_every_finding_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(BROKEN)
    done = polc("compile", "policy.yaml", "-o", "out", cwd=tmp_path)
    assert done.code == 1
    assert done.out == ""
    assert "policy.yaml:6:15" in done.err
    assert "policy.yaml:7:7" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("compile",), 2),
        (("compile", "x.yaml"), 2),
        (("compile", "x.yaml", "-o", "out", "--endpoint", "a/b/c"), 2),
        (("compile", "x.yaml", "-o", "out", "--labels", "a=b", "--endpoint", "a/b"), 2),
        (("compile", "missing.yaml", "-o", "out"), 1),
        (("inspect", "missing.o"), 1),
        (("frobnicate",), 2),
    ],
)
def test_a_wrong_command_line_is_a_message_and_a_code(
    arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    done = polc(*arguments, cwd=tmp_path)
    assert (done.code, done.out) == (code, "")
    assert done.err


def test_an_endpoint_that_is_not_there_is_exit_1(tmp_path: Path) -> None:
    done = polc("compile", *SHOP, "-o", tmp_path, "--endpoint", "shop/wbe")
    assert done.code == 1
    assert "wbe" in done.err


def test_check_says_that_all_is_well_or_what_is_not(tmp_path: Path) -> None:
    assert polc("check", *SHOP).code == 0
    (tmp_path / "policy.yaml").write_text(BROKEN)
    done = polc("check", "policy.yaml", "--format", "json", cwd=tmp_path)
    assert done.code == 1
    report = json.loads(done.out)
    assert report["version"] == 1
    assert [finding["at"]["line"] for finding in report["findings"]] == [6, 7]


def test_inspect_names_the_line_of_each_rule(compiled: Path) -> None:
    done = polc("inspect", compiled / "shop.web.egress.o", "--format", "json")
    found = Inspection.model_validate_json(done.out)
    assert found.direction is Direction.EGRESS
    assert [(rule.action, rule.text) for rule in found.rules[:2]] == [
        ("deny", "- action: Deny"),
        ("allow", "- action: Allow"),
    ]
    assert "policy.yaml" in polc("inspect", compiled / "shop.web.egress.o").out


def test_inspect_refuses_what_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "x.o").write_bytes(b"nothing of ours")
    done = polc("inspect", "x.o", cwd=tmp_path)
    assert done.code == 1
    assert "x.o" in done.err


@pytest.mark.parametrize(
    "example", sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.glob("*.yaml"))
)
def test_every_example_compiles(example: str, tmp_path: Path) -> None:
    labels = ("--labels", "role=cache") if example == "labels-only.yaml" else ()
    done = polc("compile", EXAMPLES / example, "-o", tmp_path, *labels)
    assert (done.code, done.err) == (0, "")


def test_the_json_example_compiles(tmp_path: Path) -> None:
    done = polc("compile", EXAMPLES / "flow-style.json", "-o", tmp_path, "--labels", "role=printer")
    assert (done.code, done.err) == (0, "")
