"""`--simulate`: a simulated provider in a process of its own, in which the plan can succeed, in place of the clouds."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from batch_deployer.app.runtime import run_in_loop
from batch_deployer.app.signals import taken
from batch_deployer.app.time_scale import accelerated
from batch_deployer.errors import InputError
from batch_deployer.manifest.loader import load
from batch_deployer.plan.builder import build_plan
from batch_deployer.plan.plan import AuthSpec, Plan
from batch_deployer.simulator.faults import files as fault_files
from batch_deployer.simulator.faults.rules import FaultRule
from batch_deployer.simulator.process import SimulatorProcess
from batch_deployer.simulator.provider import SimulatedProvider
from batch_deployer.simulator.world.entities import Account
from batch_deployer.simulator.world.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A plan that points at a simulated provider, and that provider."""

    plan: Plan
    process: SimulatorProcess

    def proof(self) -> str:
        """What the simulated provider itself says has happened, in one line."""
        return proof(self.process.ledger())


@contextmanager
def simulated(plan: Plan, *, seed: int, speed: float, faults: str | None) -> Iterator[Simulated]:
    """Start the provider on a free loopback port; it ends when the block is left. `faults`: a file, or a preset's name."""
    quick = accelerated(plan, speed)
    # Every user of this machine can reach the provider: nobody else may log in to it.
    world = msgspec.structs.replace(World.from_plan(quick), account=Account.random())
    with SimulatorProcess(world, seed=seed, speed=speed, faults=read_faults(faults)) as process:
        yield Simulated(plan=point_at(quick, world, process.url), process=process)


def read_faults(name: str | None) -> tuple[FaultRule, ...]:
    """The rules of a fault file, or of a preset of that name. InputError names what is wrong."""
    if name is None:
        return ()
    path = Path(name)
    if not path.exists() and path.suffix == "":
        return fault_files.preset(name)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"the fault file {name} cannot be read: {why.lower()}") from None
    return fault_files.load(text, file=name)


def point_at(plan: Plan, world: World, url: str) -> Plan:
    """The plan with every cloud's address and credential replaced by the simulated ones."""
    account = world.account
    clouds = {}
    for name, cloud in plan.clouds.items():
        project = world.cloud(name).project_id
        auth = AuthSpec(
            method="password",
            options={
                "auth_url": f"{url}/v3",
                "username": account.user,
                "password": account.password,
                "user_domain": account.domain,
                "project_id": project,
            },
        )
        clouds[name] = replace(cloud, endpoint=url, region="", project_id=project, ca_file="", auth=auth)
    return replace(plan, clouds=clouds)


def proof(ledger: dict[str, Any]) -> str:
    """Creates applied, duplicates among them, and the most writes in any window of each cloud's limit."""
    duplicates = ledger["duplicates"]
    peaks = "; ".join(
        f"{cloud}: at most {found['writes']['peak']} writes in a window of {found['writes']['limit']}, "
        f"{found['writes']['refused']} refused"
        for cloud, found in ledger["peaks"].items()
    )
    number = duplicates if isinstance(duplicates, int) else len(duplicates)
    return f"simulator's ledger: {sum(ledger['creates'].values()):,} creates applied, {number} duplicates; {peaks}"


def world_of(manifest: Path | None, *, clouds: int, clusters: int, seed: int) -> World:
    """What a manifest names, or a generated world; either makes up more as it is named. Its account is new each time."""
    if manifest is None:
        world = World.generated(clouds=clouds, clusters=clusters, seed=seed)
    else:
        world = World.from_plan(build_plan(load(manifest, os.environ)), autocreate=True)
    return msgspec.structs.replace(world, account=Account.random())


def serve_until_stopped(
    world: World,
    *,
    admin_token: str,
    host: str,
    port: int,
    seed: int,
    speed: float,
    faults: Sequence[FaultRule],
    ledger_file: Path | None,
    ready: Callable[[str], None],
) -> None:
    """Serve in this process; SIGINT and SIGTERM end it in order."""
    from batch_deployer.simulator.http.server import serve  # noqa: PLC0415 - loads aiohttp

    async def main() -> None:
        fleet = SimulatedProvider(world, seed=seed, faults=faults)
        serving = asyncio.ensure_future(
            serve(
                fleet, admin_token=admin_token, host=host, port=port, speed=speed, ready=ready, ledger_file=ledger_file
            )
        )

        def stop(_number: int) -> None:
            serving.cancel()

        with taken(stop), suppress(asyncio.CancelledError):
            await serving

    run_in_loop(main)
