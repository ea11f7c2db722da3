"""Large JSON bodies are decoded in a process of their own: parsing holds the interpreter, and health would wait for it.

reader.py  the server's side: one body after another, with a bound on the queue and on the time
child.py   the process: started with the first large body, nice to its parent, ends with it
frames.py  what travels between the two

The measurements are in docs/decisions/0016-large-bodies-and-overload.md.
"""
