"""A test report as JUnit XML, in the form that CI systems read (Surefire's schema, without times)."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

from .testing import CasesReport

# What XML 1.0 §2.2 does not take, escaped or not.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(report: CasesReport) -> str:
    """The document, with a declaration and a newline at its end."""
    counts = {"tests": str(len(report.cases)), "failures": str(report.failed), "errors": "0", "skipped": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "polc test", **counts})
    for case in report.cases:
        file, line, _ = case.at.rsplit(":", 2)
        attributes = {"classname": file, "name": case.name, "file": file, "line": line}
        element = ElementTree.SubElement(
            suite, "testcase", {key: _FORBIDDEN.sub("�", text) for key, text in attributes.items()}
        )
        failures = [f"{step.at}: {step.packet}: {step.failed}" for step in case.steps if step.failed]
        if failures:
            first = next(step.failed for step in case.steps if step.failed)
            failure = ElementTree.SubElement(element, "failure", {"message": _FORBIDDEN.sub("�", first)})
            failure.text = _FORBIDDEN.sub("�", "\n".join(failures))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'
