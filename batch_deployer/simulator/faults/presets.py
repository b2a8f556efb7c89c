"""Ready-made bad days."""

from batch_deployer.simulator.faults.rules import READS, STARTS, WRITES, Acts, Effect, FaultRule

_ROUGH = (
    FaultRule(effect=Effect.EXPIRE_TOKEN, name="tokens-die", probability=0.002),
    FaultRule(effect=Effect.THROTTLE, name="throttle-storm", starts=60.0, until=70.0, every=300.0),
    FaultRule(effect=Effect.THROTTLE, name="throttle-drizzle", probability=0.01),
    FaultRule(effect=Effect.LOCKED, name="locked", probability=0.01),
    # 20% of the writes have an answer that does not say whether they took effect.
    FaultRule(effect=Effect.ERROR, name="504-acted", status=504, acts=Acts.AT_ONCE, calls=WRITES, probability=0.05),
    FaultRule(effect=Effect.ERROR, name="504-lost", status=504, calls=WRITES, probability=0.0421),
    FaultRule(effect=Effect.ERROR, name="504-late", status=504, acts=Acts.LATE, calls=WRITES, probability=0.033),
    FaultRule(effect=Effect.RESET, name="reset-after", acts=Acts.AT_ONCE, calls=WRITES, probability=0.0569),
    FaultRule(effect=Effect.RESET, name="reset-before", calls=WRITES, probability=0.0362),
    FaultRule(effect=Effect.RESET, name="reset-reads", calls=READS, probability=0.01),
    FaultRule(effect=Effect.HTML, name="html-reads", calls=READS, probability=0.005),
    FaultRule(effect=Effect.STALE, name="stale", seconds=10.0, probability=0.3),
)
_STORM = (
    FaultRule(effect=Effect.EXPIRE_TOKEN, name="tokens-die", probability=0.01),
    FaultRule(effect=Effect.THROTTLE, name="throttle-storm", starts=40.0, until=60.0, every=180.0),
    FaultRule(
        effect=Effect.UNREACHABLE, name="one-cluster-in-twenty", probability=0.05, starts=30.0, until=150.0, every=600.0
    ),
    FaultRule(effect=Effect.ERROR, name="500-acted", status=500, acts=Acts.AT_ONCE, calls=WRITES, probability=0.06),
    FaultRule(effect=Effect.TIMEOUT, name="silence-after", acts=Acts.AT_ONCE, calls=WRITES, probability=0.04),
    FaultRule(effect=Effect.SLOW, name="slow", seconds=4.0, probability=0.05),
    *_ROUGH[2:],
    FaultRule(effect=Effect.FAIL, name="failing", probability=0.03),
    FaultRule(effect=Effect.STUCK, name="stuck", probability=0.01),
    FaultRule(effect=Effect.UNKNOWN, name="unknown", probability=0.005),
    FaultRule(effect=Effect.VANISH, name="vanishing", probability=0.005),
    FaultRule(effect=Effect.OTHER_UPGRADE, name="another-actor", probability=0.01),
    FaultRule(effect=Effect.OTHER_DELETE, name="deleted-under-us", probability=0.005),
    FaultRule(effect=Effect.OTHER_RECREATE, name="created-anew-under-us", probability=0.005),
)
_OUTAGE = (
    FaultRule(effect=Effect.ERROR, name="gateway-down", status=503, starts=30.0, until=150.0),
    FaultRule(effect=Effect.RESET, name="coming-back", starts=150.0, until=180.0, probability=0.5, calls=STARTS),
    FaultRule(effect=Effect.PHASE, name="hibernating", phase="Hibernation", starts=20.0, probability=0.05),
)

PRESETS: dict[str, tuple[FaultRule, ...]] = {"calm": (), "rough": _ROUGH, "storm": _STORM, "outage": _OUTAGE}
"""`calm`: nothing. `rough`: 20% ambiguous writes, stale reads, resets, throttling, dying tokens. `storm`: that and worse,
and releases that fail, hang or are touched by others. `outage`: two minutes of 503, some clusters hibernating for good."""
