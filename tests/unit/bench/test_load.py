"""What the load tools print, read: real output of wrk 4.1 with post.lua and of h2load (nghttp2 1.52)."""

import pytest

from bench.load import Load, LoadFailed, h2load_figures, wrk_figures

WRK = """Running 1s test @ http://127.0.0.1:41777/v1/models/iris:predict
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     6.03ms    9.92ms  58.22ms   89.11%
  Latency Distribution
     50%    6.03ms
     99%   56.54ms
  2639 requests in 1.00s, 450.99KB read
  Non-2xx or 3xx responses: 7
Requests/sec:   2638.91

{"requests": 2639, "seconds": 1.000036, "p50": 6.031000, "p99": 56.540000, "refused": 7, "broken": 2}
"""
H2LOAD = """Main benchmark duration is over for thread #0. Stopping all clients.
Stopped all clients for thread #0

finished in 1.00s, 1152.00 req/s, 130.23KB/s
requests: 1152 total, 1156 started, 1152 done, 1152 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 1152 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 130.23KB (133352) total, 3.67KB (3756) headers (space savings 95.97%), {data}
                     min         max         mean         sd        +/- sd
time for request:      461us      8.48ms      3.44ms      2.15ms    69.79%
"""
LOG = "".join(f"1795298000000000\t200\t{1000 * (number + 1)}\n" for number in range(100))


def test_wrk_tells_counts_times_and_errors() -> None:
    """Answers that are none and broken connections are told apart."""
    assert wrk_figures(WRK) == Load(2639, 1.000036, 6.031, 56.54, refused=7, broken=2)


def test_output_without_figures_is_no_figure() -> None:
    """A tool that told nothing does not count as zero requests."""
    with pytest.raises(LoadFailed):
        wrk_figures("unable to connect to 127.0.0.1:1 Connection refused\n")
    with pytest.raises(LoadFailed):
        h2load_figures("starting benchmark...\n", "", 1.0, 51)


def test_h2load_tells_counts_and_percentiles_of_its_log() -> None:
    """1,152 messages of 56 bytes came: none is missing; the percentiles are those of the log's times."""
    seen = h2load_figures(H2LOAD.format(data="63.00KB (64512) data"), LOG, 1.5, 56)
    assert seen == Load(1152, 1.5, 51.0, 100.0, refused=0, broken=0)


def test_grpc_calls_that_failed_show_in_the_bytes_that_came() -> None:
    """Each was a 200 with a status and no message; of some, or of all."""
    assert h2load_figures(H2LOAD.format(data="56.00KB (57344) data"), LOG, 1.0, 56).refused == 128
    assert h2load_figures(H2LOAD.format(data="0B (0) data"), LOG, 1.0, 56).refused == 1152
