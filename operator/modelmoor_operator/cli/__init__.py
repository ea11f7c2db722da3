"""`moor`: what a person does with a manifest before, beside and without a cluster."""

import argparse
import sys
from collections.abc import Sequence

from modelmoor_operator.cli.errors import CommandError


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point: 0 when all went well, 1 with a sentence on stderr when not, 2 for a wrong call."""
    from modelmoor_operator.cli.arguments import parser

    options: argparse.Namespace = parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except CommandError as error:
        print(f"moor: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # the reader (head, less) has seen enough: nothing more can be told
        return 0
