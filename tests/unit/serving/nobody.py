"""A loader for tests in which nobody loads."""


class Nobody:
    """Loads nothing: nobody may ask."""

    async def load(self, name: str) -> None:
        raise AssertionError(name)

    async def unload(self, name: str) -> None:
        raise AssertionError(name)
