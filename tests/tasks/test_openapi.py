"""The API does what its description says: schemathesis asks whatever the description allows, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from finest.chain.auth import sign_request
from finest.tasks.api_docs import describe
from finest.tasks.app import create_app
from finest.tasks.models import Rules
from finest.tasks.problems import KINDS
from finest.tasks.store import Store
from tests.deep import examples, sampled
from tests.tasks.live_server import QUICK, SERVER, MadeSubnet, hotkey, listening
from tests.tasks.samples import CRAWL, paths

ALICE = hotkey("Alice")


@pytest.fixture
def application(sqlite_url: str) -> Iterator[Any]:
    store = Store.open(sqlite_url, Rules(tasks_per_window=10**6))
    store.add_warcs(CRAWL, paths(500))
    subnet = MadeSubnet()
    subnet.register(ALICE, permit=True, stake=1.0)
    yield create_app(store, subnet, SERVER.address, Rules(tasks_per_window=10**6), rates=QUICK)
    store.close()


def test_every_problem_is_declared_and_shown(application: Any) -> None:
    """Each kind of problem stands somewhere in the description, with its status and an example."""
    found = set()
    for path in describe(application)["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                for name, example in (
                    response["content"].get("application/problem+json", {}).get("examples", {}).items()
                ):
                    assert example["value"]["status"] == int(status) == KINDS[name].status
                    found.add(name)
    assert found == set(KINDS) - {"method-not-allowed"}


def test_every_operation_is_described(application: Any) -> None:
    """A summary and a description each; what must be signed says so."""
    for target, path in describe(application)["paths"].items():
        for method, operation in path.items():
            assert operation["summary"], target
            assert operation["description"], target
            assert ("security" in operation) == (method == "post"), target
    assert "HTTPValidationError" not in str(describe(application))


class Signer:
    """ASGI: signs each request as Alice on its way in, as a client's own HTTP library would have."""

    def __init__(self, app: Any) -> None:
        self._app, self.state = app, app.state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        target = scope["raw_path"].decode() + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
        signed = sign_request(ALICE, method="POST", target=target, body=body, receiver=SERVER.address)
        kept = [one for one in scope["headers"] if not one[0].startswith(b"x-bittensor-")]
        headers = [*kept, *((name.lower().encode(), value.encode()) for name, value in signed.items())]
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Any:
            return messages.pop() if messages else await receive()

        await self._app({**scope, "headers": headers}, again, send)


@pytest.mark.slow
@pytest.mark.parametrize("signed", sampled([False, True]))
@pytest.mark.filterwarnings("ignore")
def test_answers_keep_to_the_description(application: Any, signed: bool) -> None:
    """No undocumented status, type or shape, and no failure, whatever is sent."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.errors import Unsatisfiable
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
        unsupported_method,
    )

    checks = [
        not_a_server_error, content_type_conformance, response_headers_conformance, response_schema_conformance,
        status_code_conformance, unsupported_method,
    ]  # fmt: skip
    with listening(Signer(application) if signed else application) as url:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        statuses: set[tuple[str, int]] = set()
        for operation in schema.get_all_operations():
            for mode in schemathesis.GenerationMode:
                strategy = operation.ok().as_strategy(generation_mode=mode)

                @settings(
                    max_examples=examples(3, 12),
                    database=None,
                    derandomize=True,
                    suppress_health_check=list(HealthCheck),
                    phases=[Phase.explicit, Phase.generate],
                )
                @given(case=strategy)
                def ask(case: Any) -> None:
                    response = case.call_and_validate(checks=checks)
                    statuses.add((case.operation.label, response.status_code))

                try:
                    ask()
                except Unsatisfiable:  # nothing that this operation takes can be wrong
                    assert mode is schemathesis.GenerationMode.NEGATIVE
    assert ("POST /v1/tasks/lease", 200 if signed else 401) in statuses
    assert ("POST /v1/tasks/lease", 422) in statuses
