"""Several processes that serve as one: `serve --workers N`.

parent.py    the process that was started: it starts the workers, ends them, and replaces one that died
together.py  what all workers do as one: loading, unloading, opening
totals.py    the workers' metrics, added up
member.py    a worker: the same serving process as without workers, its models and metrics led by the parent
channel.py   what parent and worker say to each other

Each worker has the model in memory and its own listening socket on the shared port; the kernel deals out connections.
docs/decisions/0017-workers.md tells why.
"""
