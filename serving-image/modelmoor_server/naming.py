"""How an internal name says to which signature of a model it belongs. No numpy: doors open before it is there."""

OF_SIGNATURE = "\x1f"  # between a signature's name and that of one of its inputs or outputs; never leaves the server
