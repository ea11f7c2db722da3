"""Raw requests and the statuses that must come back, up to the close (research/trust.md, section 4.1).

Every case is followed by `LAST`: a server that goes on answers it, too (its 200 is the last of the list).
"""

from dataclasses import dataclass, field

from unit.serving.http.harness import LAST


@dataclass(frozen=True)
class Case:
    """raw: the bytes. statuses: of all answers until the server closes. body: what the first request's body must be."""

    name: str
    raw: bytes = field(repr=False)
    statuses: tuple[int, ...]
    body: str | None = None

    @property
    def sent(self) -> bytes:
        return self.raw + LAST


def _post(headers: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"POST /x HTTP/" + version + b"\r\nHost: a\r\n" + headers + b"\r\n" + body


def _chunked(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked\r\n", body)


def _get(line: bytes, headers: bytes = b"Host: a\r\n") -> bytes:
    return line + b"\r\n" + headers + b"\r\n"


UPGRADE, CHUNKED = b"Connection: Upgrade\r\nUpgrade: ", b"Transfer-Encoding: chunked\r\n"
GONE_ON, BAD = (200, 200), (400,)

CASES = (
    Case("CL twice, same", _post(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"), BAD),
    Case("CL twice, different", _post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}x"), BAD),
    *(
        Case(f"CL {value!r}", _post(b"Content-Length: " + value + b"\r\n", b"{}"), BAD)
        for value in (b"2, 2", b"+2", b"-1", b"0x2", b"")
    ),
    Case("CL 2^64", _post(b"Content-Length: 18446744073709551616\r\n"), BAD),
    Case("CL 2^63", _post(b"Content-Length: 9223372036854775808\r\n"), (413,)),
    Case("TE and CL", _post(b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", b"{}"), BAD),
    Case("CL and TE", _post(b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"{}"), BAD),
    Case("TE xchunked", _post(b"Transfer-Encoding: xchunked\r\n"), (501,)),
    Case("TE gzip, chunked", _post(b"Transfer-Encoding: gzip, chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"), (501,)),
    Case("TE chunked, identity", _post(b"Transfer-Encoding: chunked, identity\r\n"), BAD),
    Case("TE twice", _post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), BAD),
    Case("TE in HTTP/1.0", _post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"1.0"), BAD),
    Case("TE with VT", _post(b"Transfer-Encoding: \x0bchunked\r\n"), BAD),
    Case("space before colon", _post(b"X : y\r\n"), BAD),
    Case("obs-fold", _post(b"X: y\r\n z\r\n"), BAD),
    Case("folded first header", _get(b"GET / HTTP/1.1", b" Host: a\r\n"), BAD),
    Case("bare LF", b"GET / HTTP/1.1\nHost: a\n\n", BAD),
    Case("bare LF after a header", b"GET / HTTP/1.1\r\nHost: a\n\r\n", BAD),
    Case("bare CR", _post(b"X: y\rZ: z\r\n"), BAD),
    Case("NUL in name", _post(b"X\0: y\r\n"), BAD),
    Case("NUL in value", _post(b"X: y\0\r\n"), BAD),
    Case("NUL in target", _get(b"GET /\0 HTTP/1.1"), BAD),
    Case("no colon", _post(b"Xy\r\n"), BAD),
    Case("empty name", _post(b": y\r\n"), BAD),
    Case("DEL in name", _post(b"X\x7f: y\r\n"), BAD),
    Case("DEL in value", _post(b"X: \x7f\r\n"), BAD),
    Case("chunked", _chunked(b"2\r\n{}\r\n0\r\n\r\n"), GONE_ON, "{}"),
    Case("chunks in capitals, several", _chunked(b"A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n"), GONE_ON, "0123456789x"),
    Case("chunk extension", _chunked(b"2;a=b\r\n{}\r\n0\r\n\r\n"), GONE_ON, "{}"),
    Case("chunk extension of 2 KB", _chunked(b"2;a=" + b"b" * 2048 + b"\r\n{}\r\n0\r\n\r\n"), BAD),
    Case("chunk extension with bare LF", _chunked(b"2;a\n{}\r\n0\r\n\r\n"), BAD),
    Case("bare LF after chunk size", _chunked(b"2\n{}\r\n0\r\n\r\n"), BAD),
    *(
        Case(f"chunk size {size!r}", _chunked(size + b"\r\n{}\r\n0\r\n\r\n"), BAD)
        for size in (b"0x2", b"-1", b"2 ", b"100000000000000000", b"")
    ),
    Case("chunk size 2^63", _chunked(b"8000000000000000\r\n"), (413,)),
    Case("chunk data too long", _chunked(b"2\r\n{}}\r\n0\r\n\r\n"), BAD),
    Case("many tiny chunks", _chunked(b"1\r\nx\r\n" * 40_000 + b"0\r\n\r\n"), BAD),
    Case("trailer Authorization", _chunked(b"2\r\n{}\r\n0\r\nAuthorization: x\r\n\r\n"), GONE_ON, "{}"),
    Case("trailer Content-Length", _chunked(b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n"), GONE_ON, "{}"),
    Case("trailer without colon", _chunked(b"2\r\n{}\r\n0\r\nX\r\n\r\n"), BAD),
    Case("no Host", _get(b"GET / HTTP/1.1", b""), BAD),
    Case("two Hosts", _get(b"GET / HTTP/1.1", b"Host: a\r\nHost: a\r\n"), BAD),
    Case("bad Host", _get(b"GET / HTTP/1.1", b"Host: a/b\r\n"), BAD),
    Case("empty Host", _get(b"GET / HTTP/1.1", b"Host:\r\n"), BAD),
    Case("Host of IPv6", _get(b"GET / HTTP/1.1", b"Host: [::1]:8080\r\n"), GONE_ON),
    Case("absolute-form", _get(b"GET http://a/x HTTP/1.1"), GONE_ON),
    Case("CONNECT", _get(b"CONNECT a:80 HTTP/1.1"), (405,)),
    Case("OPTIONS *", _get(b"OPTIONS * HTTP/1.1"), (204, 200)),
    Case("GET *", _get(b"GET * HTTP/1.1"), BAD),
    Case("HTTP/0.9", b"GET /\r\n", BAD),
    Case("HTTP/1.2", _get(b"GET / HTTP/1.2"), (505,)),
    Case("HTTP/3.7", _get(b"GET / HTTP/3.7"), (505,)),
    Case("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (505,)),
    Case("lower-case method", _get(b"get / HTTP/1.1"), (501,)),
    Case("unknown method", _get(b"BREW / HTTP/1.1"), (501,)),
    Case("two spaces", _get(b"GET  / HTTP/1.1"), BAD),
    Case("tab in target", _get(b"GET /\tx HTTP/1.1"), BAD),
    Case("space in target", _get(b"GET /a b HTTP/1.1"), BAD),
    Case("UTF-8 in target", _get("GET /ä HTTP/1.1".encode()), BAD),
    Case("fragment in target", _get(b"GET /a#b HTTP/1.1"), BAD),
    Case("two slashes", _get(b"GET //a HTTP/1.1"), BAD),
    Case("CRLF before request", b"\r\n\r\n" + _get(b"GET /x HTTP/1.1"), GONE_ON),
    Case("too many CRLF before request", b"\r\n" * 40 + _get(b"GET /x HTTP/1.1"), BAD),
    Case("Expect: other", _post(b"Expect: 200-maybe\r\n"), (417,)),
    Case("Expect twice, different", _post(b"Expect: 100-continue\r\nExpect: x\r\n"), (417,)),
    Case("three pipelined", _get(b"GET /x HTTP/1.1") * 2 + _post(b"Content-Length: 2\r\n", b"{}"), (200,) * 4),
    Case("HTTP/1.0", _get(b"GET / HTTP/1.0", b""), (200,)),
    Case("HTTP/1.0 with keep-alive", _get(b"GET / HTTP/1.0", b"Connection: keep-alive\r\n"), GONE_ON),
    Case("Connection: close", _get(b"GET / HTTP/1.1", b"Host: a\r\nConnection: close\r\n"), (200,)),
    Case("Upgrade: h2c", _post(b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"), (200,)),
    Case("Upgrade with a body", _post(UPGRADE + b"h2c\r\nContent-Length: 2\r\n", b"{}"), (200,), "{}"),
    Case("Upgrade with chunks", _post(UPGRADE + b"h2c\r\n" + CHUNKED, b"2\r\n{}\r\n0\r\n\r\n"), (200,), "{}"),
    Case("Upgrade: websocket", _post(UPGRADE + b"websocket\r\n"), (200,)),
    Case("101 headers", _post(b"X: y\r\n" * 101), (431,)),
    Case("header of 20 KB", _post(b"X: " + b"y" * 20_000 + b"\r\n"), (431,)),
    Case("header of 20 KB, unfinished", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000, (431,)),
    Case("target of 9 KB", _get(b"GET /" + b"x" * 9000 + b" HTTP/1.1"), (414,)),
    Case("target of 20 KB, unfinished", b"GET /" + b"x" * 20_000, (414,)),
    Case("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD),
    Case("CL with leading zeros", _post(b"Content-Length: 0002\r\n", b"{}"), GONE_ON, "{}"),
    Case("CL with blanks around", _post(b"Content-Length:  \t2 \r\n", b"{}"), GONE_ON, "{}"),
    Case("CL of digits beyond ASCII", _post("Content-Length: ２\r\n".encode(), b"{}"), BAD),
    Case("CL with an underscore", _post(b"Content-Length: 1_0\r\n", b"{}"), BAD),
    Case("TE Chunked", _post(b"Transfer-Encoding: Chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"), GONE_ON, "{}"),
    Case("TE chunked, chunked", _post(b"Transfer-Encoding: chunked, chunked\r\n"), BAD),
    Case("TE empty", _post(b"Transfer-Encoding:\r\n"), BAD),
    Case("TE identity", _post(b"Transfer-Encoding: identity\r\n"), (501,)),
    Case("GET with a body", _get(b"GET /x HTTP/1.1", b"Host: a\r\nContent-Length: 2\r\n") + b"{}", GONE_ON, "{}"),
    Case("chunk size with leading zeros", _chunked(b"00000000000000002\r\n{}\r\n0\r\n\r\n"), GONE_ON, "{}"),
    Case("last chunk with an extension", _chunked(b"2\r\n{}\r\n0;a=b\r\n\r\n"), GONE_ON, "{}"),
    Case("several last chunks' zeros", _chunked(b"2\r\n{}\r\n000\r\n\r\n"), GONE_ON, "{}"),
    Case("chunk data too short", _chunked(b"3\r\n{}\r\n0\r\n\r\n"), BAD),
    Case("trailer of 100 KB", _chunked(b"2\r\n{}\r\n0\r\n" + (b"X: " + b"y" * 900 + b"\r\n") * 100 + b"\r\n"), (431,)),
    Case("trailer with bare LF", _chunked(b"2\r\n{}\r\n0\r\nX: y\n\r\n"), BAD),
    Case("Host with a user", _get(b"GET / HTTP/1.1", b"Host: u@a\r\n"), BAD),
    Case("Host with a port that is none", _get(b"GET / HTTP/1.1", b"Host: a:b\r\n"), BAD),
    Case("Host list", _get(b"GET / HTTP/1.1", b"Host: a, b\r\n"), BAD),
    Case("absolute-form, another host, query", _get(b"GET HTTP://b:80?x=1 HTTP/1.1"), GONE_ON),
    Case("absolute-form of another scheme", _get(b"GET ftp://a/x HTTP/1.1"), BAD),
    Case("authority-form", _get(b"GET a:80 HTTP/1.1"), BAD),
    Case("lower-case version", _get(b"GET / http/1.1"), BAD),
    Case("no version", _get(b"GET /"), BAD),
    Case("blank after version", _get(b"GET / HTTP/1.1 "), BAD),
    Case("version of three digits", _get(b"GET / HTTP/1.10"), BAD),
    Case("header name of UTF-8", _post("Xä: y\r\n".encode()), BAD),
    Case("100 headers", _post(b"X: y\r\n" * 99), GONE_ON),
    Case("HTTP/1.0 with Expect", b"POST /x HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", (200,)),
    Case("Expect, body is there", _post(b"Expect: 100-Continue\r\nContent-Length: 2\r\n", b"{}"), GONE_ON, "{}"),
    Case("Connection: Close among others", _get(b"GET / HTTP/1.1", b"Host: a\r\nConnection: x, Close\r\n"), (200,)),
    Case("body larger than the route takes", _post(b"Content-Length: 2000000\r\n"), (413,)),
    Case("chunk larger than the route takes", _chunked(b"200000\r\n"), (413,)),
)  # fmt: skip
