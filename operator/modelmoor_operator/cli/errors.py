"""The one error of `moor`: a sentence for the person who typed the command."""


class CommandError(Exception):
    """The command ends with exit code 1 and this sentence, which names the cause and the next step."""
