"""E-mail: one message to all of a channel's addresses, over SMTP with STARTTLS, TLS or neither.

What comes from jobs stands in the subject and the text only; the email library folds and encodes
both, and refuses a line break in a header.
"""

from __future__ import annotations

import smtplib
import ssl
import time
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from pb.core.notice_words import safe
from pb.courier.message import Message, UndeliveredError, plain, tls


def send(message: Message) -> str:
    """The server's answer. Raises UndeliveredError and OSError."""
    try:
        return conversation(message)
    except smtplib.SMTPAuthenticationError as error:
        raise UndeliveredError(f"refuses the password: {reply(error)}") from None
    except smtplib.SMTPRecipientsRefused as error:
        [(address, (code, said)), *_] = error.recipients.items()
        raise UndeliveredError(f"refuses {address}: {code} {text_of(said)}") from None
    except smtplib.SMTPResponseException as error:
        raise UndeliveredError(f"answered {reply(error)}") from None
    except smtplib.SMTPServerDisconnected as error:
        raise UndeliveredError(str(error).lower()) from None
    except smtplib.SMTPNotSupportedError as error:
        raise UndeliveredError(str(error).lower()) from None
    except ssl.SSLCertVerificationError as error:
        raise UndeliveredError(f"its certificate is not trusted: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise UndeliveredError(f"no encryption with it: {error.reason}") from None


def conversation(message: Message) -> str:
    host, port = message.option("host"), message.option("port")
    security, timeout = message.option("security"), message.option("timeout")
    context = None if security == "none" else tls(message)
    user, password = message.option("user"), None
    if user is not None:
        password = plain("password", message.option("password"))
    server: smtplib.SMTP
    if security == "tls":
        server = smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=timeout)
    with server:
        if security == "starttls":
            server.starttls(context=context)
        if password is not None:
            server.login(user, password)
        refused = server.send_message(mail_of(message))
    code, said = server_said(refused)
    return f"{code} {said}" if code else said


def server_said(refused: dict[str, tuple[int, bytes]]) -> tuple[int, str]:
    """Some of several addresses may be refused; the others have it."""
    if not refused:
        return 250, "accepted"
    names = ", ".join(f"{address} ({code})" for address, (code, _) in refused.items())
    return 0, f"accepted, but not for {names}"


SEVEN_BITS = SMTP.clone(cte_type="7bit")
"""Not every server takes bytes beyond ASCII (8BITMIME, RFC 6152)."""


def mail_of(message: Message) -> EmailMessage:
    mail = EmailMessage(policy=SEVEN_BITS)
    sender = message.option("from")
    local, _, domain = sender.partition("@")
    mail["From"] = Address(display_name=f"pb {safe(message.host)}", username=local, domain=domain)
    mail["To"] = ", ".join(message.option("to"))
    mail["Subject"] = message.subject
    mail["Date"] = formatdate(time.time(), localtime=True)
    mail["Message-ID"] = f"<pb.{message.key}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    mail["X-PB-Delivery"] = message.key
    mail.set_content(message.text)
    if message.page is not None:
        mail.add_alternative(message.page, subtype="html")
    return mail


def reply(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {text_of(error.smtp_error)}"


def text_of(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said
