"""HTTP/1.1 on uvloop: bytes of a socket become requests, answers become bytes; their meaning is not known.

limits.py      every bound on a connection and on a request, in one place
message.py     Request, Response, Refusal, and how an answer is written
head.py        request line and headers: one pure function, judged by httptools and by our own checks
body.py        bodies by Content-Length and by chunks, bounded while they arrive
connection.py  one connection: requests in order, answers in order, deadlines, keep-alive, gentle closing
server.py      all connections: listening sockets, the sweep of deadlines, the drain
"""
