"""Many listeners as one."""

from collections.abc import Callable, Iterable

from batch_deployer.model.events import Event
from batch_deployer.ports import Listener


class Fanout:
    """Hands each event to every listener. One that raises is dropped, with one warning, and the run goes on."""

    def __init__(self, listeners: Iterable[Listener], warn: Callable[[str], None]) -> None:
        """`warn` takes one line for a person; it is called at most once for each listener."""
        self._listeners = list(listeners)
        self._warn = warn

    def on_event(self, event: Event) -> None:
        """Tell all."""
        for listener in self._listeners:
            try:
                listener.on_event(event)
            except Exception as error:  # noqa: BLE001 - whatever a listener does, a run must not fail for it
                self._drop(listener, error)

    def _drop(self, broken: Listener, error: Exception) -> None:
        self._listeners = [listener for listener in self._listeners if listener is not broken]
        name = type(broken).__name__
        self._warn(f"{name} is switched off for the rest of the run: {type(error).__name__}: {error}")
