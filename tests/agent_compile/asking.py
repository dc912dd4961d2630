"""A world of small pods and policies, and a compiler whose answers are waited for one by one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from polc.agent.compiling import Answer, Compiler, Finished, Loaded
from polc.agent.inputs import Text
from polc.agent.protocol import Endpoint

PATIENCE = 120.0  # seconds; a machine may be busy
Kind = TypeVar("Kind")


def text(path: str, content: str) -> Text:
    data = content.encode()
    return Text(path, data, hashlib.sha256(data).hexdigest())


def texts(files: Mapping[str, str]) -> list[Text]:
    return [text(path, content) for path, content in files.items()]


def pod(number: int) -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: pod-{number}, namespace: shop, "
        f"labels: {{app: a{number}}}}}\nstatus: {{podIP: 10.0.0.{number + 1}}}\n---\n"
    )


def policy(number: int, port: int = 80) -> str:
    return (
        "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\n"
        f"metadata: {{name: p{number}, namespace: shop}}\nspec:\n  selector: app == 'a{number}'\n"
        f"  ingress:\n  - {{action: Allow, protocol: TCP, destination: {{ports: [{port}]}}}}\n"
    )


def world(count: int) -> dict[str, str]:
    """So many pods, each with a policy of its own in a file of its own."""
    files = {"pods.yaml": "".join(map(pod, range(count)))}
    return files | {f"p{number}.yaml": policy(number) for number in range(count)}


class Asked:
    """A Compiler, and its answers so far."""

    def __init__(self, **options: Any) -> None:
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self.compiler = Compiler(self._file, **options)

    def _file(self, answers: Iterable[Answer]) -> None:
        for answer in answers:
            self._answers.put(answer)

    def until(self, kind: type[Kind]) -> tuple[Kind, list[Answer]]:
        """The next answer of that kind, and those before it."""
        before: list[Answer] = []
        end = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                raise AssertionError(f"no {kind.__name__}, only {before}") from None
            if isinstance(answer, kind):
                return answer, before
            before.append(answer)

    def load(self, revision: int, files: Mapping[str, str]) -> dict[str, Endpoint]:
        """Submits and waits; the endpoints by title."""
        self.compiler.submit(revision, texts(files))
        loaded, _ = self.until(Loaded)
        return {endpoint.title: endpoint for endpoint in loaded.endpoints}

    def want(
        self, revision: int, endpoints: Mapping[Endpoint, bytes | None] | Iterable[Endpoint]
    ) -> list[Answer]:
        """Everything up to Finished."""
        given = endpoints if isinstance(endpoints, Mapping) else dict.fromkeys(endpoints)
        self.compiler.want(revision, given)
        finished, before = self.until(Finished)
        assert finished.revision == revision
        return before
