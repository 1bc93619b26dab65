"""URLs that a user gives: parses them, and shows them without their secrets."""

import os
import re
from collections.abc import Collection, Iterable
from typing import NamedTuple
from urllib.parse import quote, unquote

from corallite.device.system.errors import RequestError

# Not compiled here, but by `re` when one is used: most starts need none of them.
_HOST_AND_PORT = (
    r"(?:\[(?P<ip6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[\w.-]+))"
    r"(?::(?P<port>[0-9]{0,5}))?"
)
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*://"
# A URL without its scheme, or with one slash: user:password@host, host/x?token=1.
_MISTYPED = r"(?is):.*@|\?.*=|^(https?|rtsps?|mqtts?)\b:?[/\\]|^[a-z]+:[/\\]"
# Shown in errors; any other "scheme" may be the start of a password.
_KNOWN_SCHEMES = (
    *("http", "https", "rtsp", "rtsps", "mqtt", "mqtts"),
    *("ftp", "gs", "rtmp", "rtmps", "rtp", "srt", "tcp", "udp", "ws", "wss"),
)
# They end the host, so a password with one of them must have it percent-encoded.
_ENDS_OF_HOST = "/?#"
_SAFE_IN_USER = "!$&'()*+,;=~"


class Url(NamedTuple):
    """The parts of a URL.

    Attributes:
        scheme: In lower case.
        host: A name or an IP address, without brackets.
        port: 1 to 65535; None if the URL has none.
        path: Percent-encoded; "" or from its "/" on.
        query: Percent-encoded, without the "?"; may hold a secret.
        user: Decoded; None without. A byte that is not UTF-8 is a surrogate.
        password: Decoded; None without.
    """

    scheme: str
    host: str
    port: int | None = None
    path: str = ""
    query: str = ""
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Url({self.name})"

    @property
    def target(self) -> str:
        """Path and query, as an HTTP request names them."""
        return (self.path or "/") + (f"?{self.query}" if self.query else "")

    @property
    def without_user(self) -> str:
        """The URL without user and password; its query may hold a secret."""
        return f"{self.scheme}://{self._host_and_port}{self.target}"

    @property
    def text(self) -> str:
        """The whole URL, with its secrets, for a library that parses it again."""
        user = ""
        if self.user is not None:
            words = [self.user] if self.password is None else [self.user, self.password]
            user = ":".join(
                quote(word, _SAFE_IN_USER, errors="surrogateescape") for word in words
            )
        query = f"?{self.query}" if self.query else ""
        host = f"{user}@{self._host_and_port}" if user else self._host_and_port
        return f"{self.scheme}://{host}{self.path}{query}"

    @property
    def name(self) -> str:
        """The URL for messages: without user, password and query.

        Some cameras want the password in the path, as in /user=me&password=x, so each
        part of the path with "=" is left out, too.
        """
        path = re.sub(r"[^/]*=[^/]*", "...", self.path)
        return f"{self.scheme}://{self._host_and_port}{path}"

    @property
    def _host_and_port(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse_url(text: str, schemes: Collection[str] = (), form: str = "") -> Url:
    """Parses SCHEME://USER:PASSWORD@HOST:PORT/PATH?QUERY.

    Only scheme and host are required.

    Args:
        text: The URL.
        schemes: The allowed ones, in lower case; default, any.
        form: How to write the URL, for errors; default, as above.

    Raises:
        RequestError: The URL is not valid, or its host cannot be right because a
            character is not percent-encoded. The message shows no more of the URL than
            its scheme.
    """
    form = form or "SCHEME://USER:PASSWORD@HOST:PORT/PATH"
    start = re.match(_SCHEME, text)
    scheme = start[0][:-3].lower() if start else ""
    if not start or (schemes and scheme not in schemes):
        raise _refused(text, "is not a valid URL", f"write {form}")
    if not text.isprintable():
        problem = "has a character that cannot be printed"
        raise _refused(text, problem, "percent-encode it, such as %0A")
    rest = text[start.end() :]
    authority = re.split(f"[{_ENDS_OF_HOST}]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :]
    _check_tail(text, rest, tail)
    userinfo, at, host_and_port = authority.rpartition("@")
    host, port = _parse_host(text, host_and_port, form)
    user, colon, password = userinfo.partition(":")
    path, _, query = tail.partition("?")
    return Url(
        scheme,
        host,
        port,
        _encode(path),
        _encode(query),
        _decode(user) if at else None,
        _decode(password) if colon else None,
    )


def without_secrets(text: str) -> str:
    """Returns a URL, or what may be a mistyped one, for messages.

    Of a URL that is not valid, only its scheme is shown: any other part of it may
    belong to the password.
    """
    try:
        return parse_url(text, _KNOWN_SCHEMES).name
    except RequestError:
        return f"{_find_known_scheme(text)}..."


def may_be_url(text: str) -> bool:
    """Returns whether `text` is a URL, or is mistyped and may hold a password.

    A relative path may look like a mistyped URL, so look for the file first.
    """
    is_path = re.match(r"\.{0,2}/(?!/)", text) is not None
    return "://" in text or (not is_path and re.search(_MISTYPED, text) is not None)


def hide_urls(sentence: str, words: Iterable[str]) -> str:
    """Returns `sentence` with every URL among `words` shown without its secrets.

    Args:
        sentence: An error, which may quote some of the words.
        words: What the user has written, such as arguments and the values of flags.
    """
    for word in sorted(set(words), key=len, reverse=True):
        if may_be_url(word) and not os.path.exists(word):
            shown = without_secrets(word)
            for quoted in (word, repr(word)[1:-1], " ".join(word.split())):
                sentence = sentence.replace(quoted, shown)
    return sentence


def _check_tail(text: str, rest: str, tail: str) -> None:
    """Refuses a URL whose host ends too early, after `rest` without `tail`."""
    if "@" in tail:
        before = rest[: rest.rindex("@")]
        codes = [f'"{c}" as {_code(c)}' for c in _ENDS_OF_HOST if c in before]
        raise _refused(
            text,
            f'has {" and ".join(code[:3] for code in codes)} before its last "@"',
            f"in the user name or password, write {', '.join(codes)}; in a path or "
            'query, write "@" as %40',
        )
    if "#" in tail:
        raise _refused(text, 'would end at its "#"', 'write "#" as %23')


def _parse_host(text: str, host_and_port: str, form: str) -> tuple[str, int | None]:
    """Returns host and port; port is None if the URL has none."""
    match = re.fullmatch(_HOST_AND_PORT, host_and_port)
    if match and _is_host(match["host"]) and 0 < int(match["port"] or 1) < 2**16:
        port = int(match["port"]) if match["port"] else None
        return match["ip6"] or match["host"], port
    raise _refused(
        text,
        "has no valid host and port",
        f'write {form}, with "/" as %2F, "?" as %3F and "#" as %23 in the password',
    )


def _is_host(name: str | None) -> bool:
    """Returns whether DNS can look up a name; True for None, an IPv6 address."""
    try:
        return name is None or bool(name.encode("idna"))
    except UnicodeError:
        return False


def _refused(text: str, problem: str, remedy: str) -> RequestError:
    scheme = _find_known_scheme(text)
    shown = f"{scheme}..." if scheme else "The URL (not shown, it may hold a password)"
    return RequestError(f"{shown}: {problem}; {remedy}.")


def _find_known_scheme(text: str) -> str:
    """Returns the start of a URL, such as "http://"; "" if it is another one."""
    start = re.match(_SCHEME, text)
    is_known = start and start[0][:-3].lower() in _KNOWN_SCHEMES
    return start[0] if start and is_known else ""


def _code(character: str) -> str:
    return f"%{ord(character):02X}"


def _encode(part: str) -> str:
    """Percent-encodes what a request must not contain; keeps what is encoded."""
    return re.sub("[^!-~]", lambda found: quote(found[0]), part)


def _decode(part: str) -> str:
    return unquote(part, errors="surrogateescape")
