"""Mail to a real SMTP server: encrypted and not, and every way in which it can refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from pb.api.certificate import Certificate
from tests.courier.sending import Post, digest, notice
from tests.kit.servers import MailServer, context_of, free_port, silent_server

WHO = {"type": "mail", "from": "pb@example.org", "to": ["me@example.org", "you@example.org"]}


def plainly(port: int, **more: object) -> dict[str, object]:
    return {**WHO, "host": "127.0.0.1", "port": port, "security": "none", **more}


def test_a_failure_arrives_with_its_subject_text_and_output(post: Post, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("one\ntwo\nno space left on device\n")

    with MailServer() as server:
        sent = post(notice(log_path=str(log)), **plainly(server.port, lines=2))

    assert (sent.code, sent.answer, sent.errors) == (0, "250 accepted", "")
    [mail] = server.mails
    assert mail["To"] == "me@example.org, you@example.org"
    assert mail["Subject"].endswith("Job backup failed: exit code 3")
    assert mail["Message-ID"] == "<pb.s1-7@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text = mail.get_content()
    assert "pb job logs 12" in text
    assert "| no space left on device" in text
    assert "| one" not in text


def test_a_server_that_takes_ascii_only_gets_nothing_else(post: Post) -> None:
    with MailServer() as server:
        post(notice(text="Job sauvegarde échouée: " + "ü" * 2000), **plainly(server.port))

    [mail] = server.mails
    assert mail["Content-Transfer-Encoding"] in ("quoted-printable", "base64")
    assert "échouée" in mail.get_content()
    assert all(len(line) < 998 for line in mail.as_bytes().splitlines())


def test_a_mail_that_comes_again_has_the_same_number(post: Post) -> None:
    with MailServer() as server:
        post(**plainly(server.port))
        post(**plainly(server.port))

    assert len({mail["Message-ID"] for mail in server.mails}) == 1


def test_several_notices_are_one_mail(post: Post) -> None:
    with MailServer() as server:
        post(notice(id=1), notice(id=2, text="Job sync failed"), **plainly(server.port))

    [mail] = server.mails
    assert "2 notices" in mail["Subject"]
    assert "Job sync failed" in mail.get_content()


def test_nothing_that_a_job_says_becomes_a_header(post: Post, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_bytes(b"\x1b[31mred\r\n.\r\nBcc: all@example.org\r\n\xff\n")
    evil = "x\r\nBcc: all@example.org\r\n\r\nhello \x1b[2J\u202e"

    with MailServer() as server:
        sent = post(notice(text=evil, job=evil, log_path=str(log)), **plainly(server.port))

    assert sent.code == 0, sent
    [mail] = server.mails
    assert mail["Bcc"] is None
    assert len(server.recipients) == 2
    raw = mail.as_string()
    assert "\x1b" not in raw + mail.get_content()
    assert "\n.\n" not in mail.get_content()


def test_words_of_any_language_arrive_whole(post: Post) -> None:
    with MailServer() as server:
        post(notice(text="Job größe gescheitert: Übung 日本"), **plainly(server.port))

    [mail] = server.mails
    assert mail["Subject"].endswith("Job größe gescheitert: Übung 日本")
    assert "Übung 日本" in mail.get_content()


def test_it_is_encrypted_from_the_start_or_from_starttls(
    post: Post, certificate: Certificate, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text("pass word\n")
    more = {"user": "me", "password": {"file": str(secret)}, "ca_file": str(certificate.cert)}
    context = context_of(certificate.cert, certificate.key)

    for security, options in (("tls", {"tls": context}), ("starttls", {"starttls": context})):
        with MailServer(user="me", password="pass word", **options) as server:
            sent = post(**plainly(server.port, **more, security=security))

        assert sent.code == 0, sent
        assert len(server.mails) == 1
        assert "AUTH" in server.verbs


def test_a_certificate_that_nobody_vouches_for_gets_no_password(
    post: Post, certificate: Certificate
) -> None:
    post.env["SECRET"] = "x"
    context = context_of(certificate.cert, certificate.key)
    more = {"user": "me", "password": {"env": "SECRET"}, "security": "starttls"}

    with MailServer(starttls=context, user="me", password="x") as server:
        sent = post(**plainly(server.port, **more))

    assert (sent.code, server.mails) == (1, [])
    assert "certificate is not trusted" in sent.answer
    assert "AUTH" not in server.verbs


def test_a_server_without_starttls_gets_nothing(post: Post) -> None:
    with MailServer() as server:
        sent = post(**plainly(server.port, security="starttls"))

    assert (sent.code, server.mails) == (1, [])
    assert "starttls" in sent.answer


def test_plain_talk_where_encryption_is_spoken_fails_in_words(
    post: Post, certificate: Certificate
) -> None:
    with MailServer() as server:
        sent = post(**plainly(server.port, security="tls"))

    assert (sent.code, sent.errors) == (1, "")
    assert "no encryption with it" in sent.answer


def test_a_wrong_password_is_said_to_be_one_and_never_shown(
    post: Post, certificate: Certificate
) -> None:
    post.env["SECRET"] = "hunter2"
    context = context_of(certificate.cert, certificate.key)
    more = {"user": "me", "password": {"env": "SECRET"}, "security": "tls"}

    with MailServer(tls=context, user="me", password="other") as server:
        sent = post(**plainly(server.port, **more, ca_file=str(certificate.cert)))

    assert (sent.code, sent.answer) == (1, "refuses the password: 535 wrong password")
    assert "hunter2" not in sent.answer + sent.errors


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"HELLO": "554 no service"}, "answered 554 no service"),
        ({"MAIL": "451 try later"}, "answered 451 try later"),
        ({"RCPT": "550 no such user"}, "refuses me@example.org: 550 no such user"),
        ({"DATA": "552 mailbox full"}, "answered 552 mailbox full"),
        ({"EHLO": "what?", "HELO": "what?"}, "answered -1"),
    ],
)
def test_what_a_server_refuses_is_told_in_its_words(
    post: Post, answers: dict[str, str], said: str
) -> None:
    with MailServer(answers=answers) as server:
        sent = post(**plainly(server.port))

    assert sent.code == 1
    assert sent.answer.startswith(said)
    assert sent.errors == ""


def test_a_dead_server_is_told_at_once(post: Post) -> None:
    assert post(**plainly(free_port())).answer == "connection refused"


def test_a_server_that_says_nothing_is_left_after_the_timeout(post: Post) -> None:
    with silent_server() as port:
        sent = post(**plainly(port, timeout="300ms"))

    assert sent.code == 1
    assert "timed out" in sent.answer or "within" in sent.answer


def test_a_password_that_is_nowhere_is_asked_for_before_anything_is_sent(post: Post) -> None:
    more = {"user": "me", "password": {"file": "/nowhere/password"}, "security": "tls"}

    with silent_server() as port:
        sent = post(**plainly(port, **more))

    assert sent.answer == "password: cannot read /nowhere/password: no such file or directory"


def test_a_digest_is_a_mail_as_text_and_as_html(post: Post) -> None:
    with MailServer() as server:
        sent = post(digest(), **plainly(server.port))

    assert (sent.code, sent.errors) == (0, "")
    [mail] = server.mails
    assert mail["Subject"].endswith("The daily digest: 9 runs, nothing failed")
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert page is not None
    assert "Runs" in text.get_content()
    assert page.get_content().startswith("<!DOCTYPE html>")
    assert "/home/me/.ponybunny" in page.get_content()
