"""The process that decodes large bodies. It holds no model, and no word of a payload leaves it but in its answer."""

import logging
import os
import signal
import socket
import sys

from modelmoor_server.log import configure

log = logging.getLogger("modelmoor_server.apart")

NICENESS = 5  # where there is one CPU, the server's own answers come first


def main(fd: int) -> None:
    """Decode until the server ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group, and requests are still answered
    os.nice(NICENESS)
    configure()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    with socket.socket(fileno=fd) as sock:
        _decode(sock)


def _decode(sock: socket.socket) -> None:
    from modelmoor_server.apart import frames
    from modelmoor_server.apart.reader import Decoded
    from modelmoor_server.calling import traced
    from modelmoor_server.errors import PredictFailed, RequestError, TooLarge
    from modelmoor_server.rest.calls import HttpCall

    while True:
        try:
            portable, body = frames.take(sock)
        except (frames.Closed, OSError):
            return
        outcome: Decoded | RequestError
        try:
            call: HttpCall = HttpCall.rebuilt(portable, body)
            outcome = Decoded(call.decode(), call.state())
            frames.answer(sock, outcome)
            continue
        except RequestError as error:
            outcome = error
        except MemoryError:
            outcome = TooLarge("The request needs more memory than there is: send the rows in several requests.")
        except OSError:
            return
        except Exception as error:  # noqa: BLE001 - the edge; a text of it may quote the payload
            told = traced(error)
            log.error("DecodeFailed", extra={"fields": told})
            outcome = PredictFailed(f"Reading the request raised {told['exception']}: the server's log tells where.")
        frames.answer(sock, outcome)
        del portable, body, outcome


if __name__ == "__main__":
    main(int(sys.argv[1]))
