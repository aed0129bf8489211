"""Labelling by a model: the real command against a server that speaks the protocol."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from finest.cli.model import model
from finest.errors import FinestError, RunError, UsageError
from finest.models.labelling import endpoint as endpoints
from finest.models.labelling.endpoint import Endpoint
from finest.models.labelling.scale import scale_of
from finest.retry import Policy

from .made import Reply, endpoint, says, write_pages


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(endpoints, "POLICY", Policy(first_s=0.01, cap_s=0.01, tries=3))


def label(address: str, *more: str, prompt: str = "Rate: {text}") -> Result:
    """Run `finest model label` over twelve pages in the current folder."""
    Path("prompt.txt").write_text(prompt, encoding="utf-8")
    if not Path("pages.jsonl").exists():
        write_pages(Path("pages.jsonl"), 12)
    arguments = ["label", "pages.jsonl", "--out", "labels.parquet", "--endpoint", address, "--prompt"]
    return CliRunner().invoke(model, [*arguments, "prompt.txt", *more], catch_exceptions=True)


def rows() -> list[dict[str, Any]]:
    return list(pq.read_table("labels.parquet").to_pylist())


def told() -> dict[str, Any]:
    found = pq.read_schema("labels.parquet").metadata[b"finest_labels"]
    return dict(json.loads(found))


def number(prompt: str) -> int:
    return int(prompt.rsplit(maxsplit=1)[-1])


def test_every_page_is_asked_once() -> None:
    """At temperature 0, with the prompt's text around the page's; the labels carry who made them of what."""
    with endpoint(lambda prompt, _: says(str(number(prompt) % 6))) as served:
        done = label(served.address, "--grades", "--max-chars", "100")
    assert done.exit_code == 0, done.output
    assert {request["path"] for request in served.asked} == {"/v1/chat/completions"}
    assert {(request["temperature"], request["model"]) for request in served.asked} == {(0, "tiny-1")}
    assert sorted(request["messages"][0]["content"] for request in served.asked) == sorted(
        f"Rate: page {number}" for number in range(12)
    )
    found = rows()
    assert {row["text"]: row["label"] for row in found} == {f"page {number}": number % 6 for number in range(12)}
    one = next(row for row in found if row["text"] == "page 7")
    assert (one["url"], one["group"], one["id"], one["row"]) == (
        "https://www.host7.example/a", "host7.example", "<urn:7>", 7
    )  # fmt: skip
    assert (one["labelled_by"], one["model"], one["source"]) == ("endpoint", "tiny-1", "pages.jsonl")
    assert one["prompt_sha256"] == told()["prompt_sha256"] and told()["prompt"] == "Rate: {text}"
    assert told()["sources"][0]["sha256"] and told()["counts"]["label"] == 12


def test_labels_train_a_model() -> None:
    """The file is one that `finest model train --labels` reads, and its groups are the hosts."""
    from finest.models.documents import find_files

    with endpoint(lambda prompt, _: says(["article", "forum"][number(prompt) % 2])) as served:
        assert label(served.address, "--classes", "article,forum").exit_code == 0
    (source,) = find_files(["labels.parquet"])
    documents = list(source.documents(lambda _: None, labelled=True))
    assert {document.label for document in documents} == {"article", "forum"}
    assert {document.grouped_by for document in documents} == {"group"} and len(documents) == 12


def test_an_answer_without_a_label_is_kept_as_such() -> None:
    """It is counted and no row; the same command does not ask again."""
    with endpoint(lambda prompt, _: says("1" if number(prompt) % 3 else "I think 1, or maybe 0.")) as served:
        done = label(served.address)
        assert done.exit_code == 0 and "4 with an answer that is no label" in done.output
        label(served.address)
        assert len(served.asked) == 12
    assert len(rows()) == 8 and told()["counts"]["unparsable"] == 4
    assert Path("labels.parquet.journal").read_text(encoding="utf-8").count("I think 1, or maybe 0.") == 4


@pytest.mark.parametrize(
    ("answer", "found"),
    [("3", 3), (" 3\n", 3), ("It explains cells.\n\n3", 3), ("Score: 3", None), ("3.", None), ("7", None), ("", None),
     ("3 or 4", None), ("03", None), ("3\nThat is all.", None)],
)  # fmt: skip
def test_only_a_last_line_that_is_a_label_is_one(answer: str, found: int | None) -> None:
    """Nothing is guessed from what else is said."""
    assert scale_of(None, grades=True).label_in(answer) == found


def test_class_names_are_compared_without_case() -> None:
    scale = scale_of("Article,how to", grades=False)
    assert [scale.label_in(answer) for answer in ("ARTICLE", "How To", "article how to")] == ["article", "how to", None]


def test_a_busy_endpoint_is_asked_again() -> None:
    """For a while, and as long as it asks for."""
    statuses = {1: 503, 2: 429}

    def reply(_: str, number: int) -> Reply:
        return (statuses[number], {"error": {"message": "loading"}}) if number in statuses else says("1")

    with endpoint(reply) as served:
        done = label(served.address, "--parallel", "1")
    assert done.exit_code == 0 and len(rows()) == 12 and len(served.asked) == 14


def test_what_was_labelled_stays_when_the_endpoint_fails() -> None:
    """One line says so, and the same command asks about the rest alone."""

    def reply(_: str, number: int) -> Reply:
        return says("1") if number <= 5 else (500, {})

    with endpoint(reply) as served:
        done = label(served.address, "--parallel", "1")
    assert isinstance(done.exception, RunError) and "answers 500, after 3 tries" in str(done.exception)
    assert len(rows()) == 5
    with endpoint(lambda *_: says("0")) as served:
        assert label(served.address).exit_code == 0
        assert len(served.asked) == 7
    assert sorted(row["label"] for row in rows()) == [0] * 7 + [1] * 5


def test_nothing_listens() -> None:
    """An unreachable endpoint: one line, and nothing half-written."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = label(address, "--model", "m")
    assert isinstance(done.exception, RunError) and "nothing answers" in str(done.exception)
    assert "\n" not in str(done.exception) and not Path("labels.parquet").exists()


def test_a_page_that_is_refused_costs_itself_only() -> None:
    """A page too long for the model is counted; a request that fits no page ends the command."""

    def reply(prompt: str, _: int) -> Reply:
        return (400, {"error": {"message": "too long"}}) if number(prompt) == 3 else says("1")

    with endpoint(reply) as served:
        done = label(served.address)
    assert done.exit_code == 0 and "1 refused by the endpoint" in done.output and len(rows()) == 11


def test_a_request_that_fits_no_page_ends_the_command() -> None:
    """Such as a wrong name of the model; nothing of it is kept, so that the corrected command asks every page."""
    with endpoint(lambda *_: (400, {"error": {"message": "no such model: x\nTry another"}})) as served:
        done = label(served.address, "--model", "x")
    assert isinstance(done.exception, RunError) and "no such model: x" in str(done.exception)
    assert "\n" not in str(done.exception) and not Path("labels.parquet").exists()


def test_requests_at_a_time_are_bounded() -> None:
    """As many as --parallel, and not fewer."""
    together = threading.Barrier(3)

    def reply(*_: object) -> Reply:
        together.wait(20)
        return says("1")

    with endpoint(reply) as served:
        done = label(served.address, "--parallel", "3")
    assert done.exit_code == 0 and served.most_at_once == 3


def test_the_key_comes_from_the_environment_and_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in messages, not in files; and it leaves the machine over TLS only."""
    key = "sk-test-0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with endpoint(lambda *_: (401, {"error": {"message": f"wrong key: Bearer {key}"}})) as served:
        done = label(served.address)
    assert served.keys and set(served.keys) == {f"Bearer {key}"}
    assert isinstance(done.exception, FinestError) and "OPENAI_API_KEY" in str(done.exception)
    assert key not in str(done.exception) + done.output
    assert not [path for path in Path().rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    with pytest.raises(UsageError, match="unencrypted"):
        Endpoint("http://models.example/v1", key)
    assert Endpoint("https://models.example/v1", key).name == "https://models.example"


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ((200, {"data": [{"id": "a"}, {"id": "b"}]}), "serves 2 models (a, b); name one with --model"),
        ((200, {"data": []}), "serves 0 models; name one with --model"),
        ((200, {"data": "none"}), "serves 0 models; name one with --model"),
        ((404, {}), "does not list its models (status 404); name one with --model"),
    ],
)
def test_without_one_model_it_has_to_be_named(models: Reply, words: str) -> None:
    """No page is sent to whichever model comes first."""
    with endpoint(lambda *_: says("1"), models) as served:
        done = label(served.address)
    assert isinstance(done.exception, UsageError) and words in str(done.exception) and not served.asked


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [{"text": "1"}]}, {"choices": "1"}])
def test_what_speaks_another_protocol_is_said_so(answer: dict[str, Any]) -> None:
    """One line, and no label."""
    with endpoint(lambda *_: (200, answer)) as served:
        done = label(served.address)
    assert isinstance(done.exception, RunError) and "not as an OpenAI-compatible endpoint" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prompt", "prompt.txt"], "no model is asked without one"),
        (["--endpoint", "http://127.0.0.1:1"], "needs --prompt"),
        (["--endpoint", "ftp://x", "--prompt", "prompt.txt"], "write an address"),
        (["--endpoint", "http://127.0.0.1:1", "--prompt", "empty.txt"], "has no {text}"),
        (["--classes", "one"], "2 to 32 different"),
        (["--classes", "a,a"], "2 to 32 different"),
        (["--classes", "a,1"], "a number is no name"),
        (["--classes", "a,b", "--grades"], "either grades or classes"),
        (["--out", "labels.csv"], "ends in .parquet"),
        (["--out", "none/labels.parquet"], "create it first"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], words: str) -> None:
    """Said before anything is read or asked."""
    Path("prompt.txt").write_text("{text}", encoding="utf-8")
    Path("empty.txt").write_text("What is it?", encoding="utf-8")
    write_pages(Path("pages.jsonl"), 2)
    done = CliRunner().invoke(model, ["label", "pages.jsonl", "--out", "labels.parquet", *arguments])
    assert isinstance(done.exception, UsageError) and words in str(done.exception)
    assert sorted(path.name for path in Path().iterdir()) == ["empty.txt", "pages.jsonl", "prompt.txt"]
