"""Who stands in where nobody needs to listen."""

from batch_deployer.model.events import Event


class Deaf:
    """A listener that does not listen."""

    def hear(self, event: Event) -> None:
        """Do nothing."""
