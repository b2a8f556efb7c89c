"""Administration of the simulator, `/_sim/...`: what really happened, and switches for tests."""

import hmac
from collections.abc import Callable
from typing import Any

import msgspec

from batch_deployer.errors import InputError
from batch_deployer.simulator.faults import files
from batch_deployer.simulator.faults.rules import INCIDENTS, Effect
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.service import responses
from batch_deployer.simulator.service.agenda import Wish
from batch_deployer.simulator.service.responses import SimResponse

ADMIN_HEADER = "X-Sim-Token"
"""Header with the token that every request for `/_sim/` needs."""


class Admin:
    """Answers `/_sim/...`."""

    def __init__(self, fleet: SimulatedProvider, token: str, stop: Callable[[], None]) -> None:
        """`token` must come with every request. `stop` ends the server."""
        self._fleet = fleet
        self._token = token.encode()
        self._stop = stop

    def answer(self, method: str, target: str, body: bytes, now: float, *, token: str) -> SimResponse:
        """Plain JSON bodies; 401 without the token; 400 with a message for what cannot be read."""
        if not hmac.compare_digest(token.encode(errors="replace"), self._token):
            return responses.refused(401, f"/_sim/ needs the simulator's own token in the header {ADMIN_HEADER}")
        match method, target.partition("?")[0]:
            case "GET", "/_sim/ledger":
                return _ok(self._fleet.summary())
            case "GET", "/_sim/entries":
                return _ok(self._fleet.ledger.entries)
            case "GET", "/_sim/releases":
                return _ok(self._fleet.releases(now))
            case "GET", "/_sim/stats":
                return _ok(self._stats())
            case "GET", "/_sim/world":
                return _ok(self._fleet.world)
            case "POST", "/_sim/phase" | "/_sim/faults" | "/_sim/incident" | "/_sim/stop":
                return self._switch(target, body, now)
            case _:
                return responses.no_such_api()

    def _stats(self) -> dict[str, Any]:
        whole = self._fleet.summary()
        told = {name: whole[name] for name in ("calls", "peaks", "connections")}
        return told | {"seed": self._fleet.seed, "speed": self._fleet.speed, "entries": len(self._fleet.ledger.entries)}

    def _switch(self, target: str, body: bytes, now: float) -> SimResponse:
        if target == "/_sim/stop":
            self._stop()
            return _ok({})
        try:
            given = msgspec.json.decode(body)
            if target == "/_sim/faults":
                self._fleet.set_faults(files.load_data(given))
            elif target == "/_sim/incident":
                return self._interfere(given, now)
            elif not self._fleet.set_phase(given["cluster_id"], given["phase"]):
                return responses.not_found(f"cluster {given['cluster_id']}")
        except (msgspec.MsgspecError, InputError, KeyError, TypeError) as error:
            return responses.invalid(f"{target}: {error}")
        return _ok({})

    def _interfere(self, given: dict[str, Any], now: float) -> SimResponse:
        effect = given.pop("effect")
        if effect not in INCIDENTS:
            known = ", ".join(sorted(INCIDENTS))
            return responses.invalid(f"/_sim/incident: effect {effect!r} is not known; take one of {known}")
        key = given.pop("release")
        if not self._fleet.interfere(key, Effect(effect), now, msgspec.convert(given, Wish)):
            return responses.not_found(f"release {key}")
        return _ok({})


def _ok(body: Any) -> SimResponse:
    return SimResponse(status=200, body=body)
