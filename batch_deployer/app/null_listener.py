"""Who stands in where nobody needs to listen."""

from batch_deployer.model.events import Event


class NullListener:
    """A listener that does not listen."""

    def on_event(self, event: Event) -> None:
        """Do nothing."""
