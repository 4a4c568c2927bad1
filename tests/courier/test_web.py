"""Webhooks and pings to a real web server: what it gets, and what is told of it when it fails."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from pb.api.certificate import Certificate
from tests.courier.sending import Post, digest, notice
from tests.kit.servers import WebServer, context_of, free_port, silent_server


def hook(url: str, **more: object) -> dict[str, object]:
    return {"type": "webhook", "url": url, **more}


def test_a_webhook_gets_everything_as_json(post: Post, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("bad\n")

    with WebServer() as web:
        sent = post(notice(log_path=str(log)), **hook(f"{web.url}/a?b=c"))

    assert (sent.code, sent.answer) == (0, "200 thanks")
    [request] = web.requests
    assert (request.method, request.path) == ("POST", "/a?b=c")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-pb-delivery"] == "s1-7"
    document = json.loads(request.body)
    assert (document["schema"], document["count"], document["channel"]) == (1, 1, "it")
    [told] = document["notices"]
    assert (told["occasion"], told["job"], told["output"]) == ("failure", "backup", ["bad"])
    assert told["at"] == "2026-11-18T11:06:40.000Z"
    assert "log_path" not in told


def test_a_signed_one_can_be_checked_by_whoever_knows_the_secret(post: Post) -> None:
    post.env |= {"KEY": "s3cret", "TOKEN": "Bearer abc"}

    with WebServer() as web:
        post(**hook(web.url, secret={"env": "KEY"}, headers={"Authorization": {"env": "TOKEN"}}))

    [request] = web.requests
    signed = request.headers["x-pb-timestamp"].encode() + b"." + request.body
    mark = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert request.headers["x-pb-signature"] == f"sha256={mark}"
    assert request.headers["authorization"] == "Bearer abc"


def test_chat_programs_get_what_they_take(post: Post) -> None:
    evil = notice(text="Job <!channel> & @everyone failed")

    with WebServer() as web:
        post(evil, **hook(web.url, format="slack"))
        post(evil, **hook(web.url, format="discord"))
        post(evil, **hook(web.url, format="text", method="PUT"))

    slack, discord, text = web.requests
    assert "&lt;!channel&gt; &amp;" in json.loads(slack.body)["text"]
    assert json.loads(discord.body)["allowed_mentions"] == {"parse": []}
    assert "@everyone failed" in json.loads(discord.body)["content"]
    assert (text.method, text.headers["content-type"]) == ("PUT", "text/plain; charset=utf-8")
    assert text.body.decode().startswith("Job <!channel>")


def test_a_chat_message_is_cut_where_it_is_too_long(post: Post) -> None:
    with WebServer() as web:
        post(*(notice(id=n, text=f"{n} " + "x" * 300) for n in range(20)),
             **hook(web.url, format="discord"))  # fmt: skip

    assert len(json.loads(web.requests[0].body)["content"]) == 1900


def test_a_digest_keeps_its_columns_in_a_chat_and_is_whole_as_json(post: Post) -> None:
    evil = digest()
    evil["digest"]["changes"]["new"] = ["```", "job"]

    with WebServer() as web:
        post(evil, **hook(web.url, format="slack"))
        post(evil, **hook(web.url))

    chat, whole = (json.loads(request.body) for request in web.requests)
    subject, fence, *_, end = chat["text"].split("\n")
    assert subject.endswith("The daily digest: 9 runs, nothing failed")
    assert (fence, end, chat["text"].count("```")) == ("```", "```", 2)
    assert whole["notices"][0]["digest"]["total"]["runs"] == 9
    assert "Different from before".upper() in whole["text"]


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
def test_an_answer_that_is_no_success_is_a_failure(post: Post, status: int) -> None:
    with WebServer() as web:
        web.status, web.words = status, b"no,\nnot \x1b[31mnow"
        web.headers = {"Location": f"{web.url}/elsewhere"} if status == 301 else {}
        sent = post(**hook(web.url))

    assert (sent.code, sent.errors) == (1, "")
    assert sent.answer == f"answered {status} no, not  [31mnow"
    assert len(web.requests) == 1


def test_a_server_that_is_dead_silent_or_dawdles_takes_no_longer_than_the_timeout(
    post: Post,
) -> None:
    assert post(**hook(f"http://127.0.0.1:{free_port()}")).answer == "connection refused"
    with silent_server() as port:
        quiet = post(**hook(f"http://127.0.0.1:{port}", timeout="300ms"))
    with WebServer() as web:
        web.drip = True
        slow = post(**hook(web.url, timeout="500ms"))

    assert [quiet.code, slow.code] == [1, 1]
    assert {quiet.answer, slow.answer} <= {
        *("did not answer in time", "timed out"),
        *("did not come to an end within 0.3 s", "did not come to an end within 0.5 s"),
    }


def test_what_does_not_speak_http_is_told_in_words(post: Post) -> None:
    from tests.kit.servers import MailServer

    with MailServer() as server:
        sent = post(**hook(f"http://127.0.0.1:{server.port}"))

    assert (sent.code, sent.errors) == (1, "")
    assert sent.answer.startswith("did not answer in HTTP")


def test_encryption_is_checked_with_the_systems_certificates_or_ones_own(
    post: Post, certificate: Certificate
) -> None:
    with WebServer(tls=context_of(certificate.cert, certificate.key)) as web:
        url = f"https://127.0.0.1:{web.port}/"
        trusted = post(**hook(url, ca_file=str(certificate.cert)))
        refused = post(**hook(url))
        nowhere = post(**hook(url, ca_file="/nowhere/ca.pem"))

    assert (trusted.code, trusted.answer) == (0, "200 thanks")
    assert refused.answer.startswith("its certificate is not trusted")
    assert nowhere.answer.startswith("ca_file: cannot use /nowhere/ca.pem")
    assert len(web.requests) == 1


def test_secrets_come_from_files_and_are_never_in_an_answer(post: Post, tmp_path: Path) -> None:
    address, header = tmp_path / "url", tmp_path / "header"
    address.write_text("gopher://secret.example.org/KEY\n")
    header.write_text("a\nb")

    wrong = post(**hook({"file": str(address)}))  # type: ignore[arg-type]
    lines = post(**hook("http://127.0.0.1:1/", headers={"X-A": {"file": str(header)}}))
    missing = post(**hook({"env": "NOT_SET"}))  # type: ignore[arg-type]
    address.write_text("\n")
    empty = post(**hook({"file": str(address)}))  # type: ignore[arg-type]

    assert wrong.answer == "the address is not an http or https address"
    assert lines.answer == "headers.X-A: is more than one line"
    assert missing.answer == "url: NOT_SET is not in the scheduler's environment"
    assert empty.answer == f"url: {address} is empty"


def test_pings_go_where_healthchecks_expects_them_in_order(post: Post) -> None:
    with WebServer() as web:
        sent = post(
            notice(occasion="start"),
            notice(occasion="success"),
            notice(occasion="failure"),
            notice(occasion="failure", job=None, service="web"),
            type="ping",
            url=f"{web.url}/KEY/{{name}}?x=1",
        )

    assert (sent.code, sent.answer) == (0, "200 thanks")
    assert [request.path for request in web.requests] == [
        "/KEY/backup/start?x=1",
        "/KEY/backup?x=1",
        "/KEY/backup/fail?x=1",
        "/KEY/web/fail?x=1",
    ]
    assert {request.method for request in web.requests} == {"GET"}


def test_a_ping_can_tell_the_exit_code_and_the_output_and_speak_otherwise(
    post: Post, tmp_path: Path
) -> None:
    log = tmp_path / "run.log"
    log.write_text("it broke\n")
    other = {"type": "ping", "start": "", "fail": "?status=down", "method": "POST"}

    with WebServer() as web:
        post(notice(log_path=str(log)), type="ping", url=web.url, exit_codes=True, method="POST")
        post(notice(), **other, url=web.url)
        post(notice(occasion="start"), **other, url=web.url)

    assert [request.path for request in web.requests] == ["/3", "/?status=down", "/"]
    assert b"| it broke" in web.requests[0].body


def test_after_a_ping_that_fails_the_later_ones_wait(post: Post) -> None:
    with WebServer() as web:
        web.status = 500
        sent = post(notice(occasion="start"), notice(), type="ping", url=web.url)

    assert (sent.code, len(web.requests)) == (1, 1)
