"""Simulations as sentences, the same ones for the command, reports and agents."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla.counts import counted, names_of
from flotilla.karmada.scheduling import Shares
from flotilla.karmada.simulation.losses import Loss
from flotilla.karmada.simulation.outcome import Outcome
from flotilla.karmada.simulation.upgrades import ChangedDecision
from flotilla.karmada.simulation.world import Assumed

_SHOWN = 8


def moves_text(outcome: Outcome) -> str:
    """Return the replicas before and after, by cluster: `member1 2 → 4, member2 2 → lost`."""
    parts = [
        _move(name, outcome.before, outcome.after, lost=name in outcome.lost)
        for name in dict.fromkeys((*outcome.before, *outcome.after))
    ]
    return ", ".join(parts) or "nowhere"


def _move(name: str, before: Shares, after: Shares, *, lost: bool) -> str:
    had, has = (_count(side, name) for side in (before, after))
    if lost:
        return f"{name} {had} → lost".replace("  ", " ")
    if had == has:
        return f"{name} {had}".strip()
    return f"{name} {had or 'none'} → {has or 'none'}"


def _count(side: Shares, name: str) -> str:
    if name not in side:
        return "0" if any(count is not None for count in side.values()) else ""
    count = side[name]
    return "a copy" if count is None else str(count)


def details(outcome: Outcome) -> list[str]:
    """Return further facts about a template, one sentence each."""
    found = []
    if outcome.interrupted:
        found.append("all its copies were there: nothing of it runs until copies run elsewhere")
    found += [
        f"Karmada evicts it from {name}" + (f" after {seconds} s, as long as it tolerates the taint" * bool(seconds))
        for name, seconds in outcome.evicted.items()
    ]
    if outcome.returns:
        found.append(
            f"it returns to {', '.join(outcome.returns)} after the eviction, and is evicted again, because it "
            "tolerates the taint only for a time"
        )
    stays = [name for name in outcome.lost if name not in outcome.evicted and name in outcome.after]
    if stays:
        found.append(f"Karmada leaves it scheduled to {', '.join(stays)}, where it doesn't run")
    if outcome.problem:
        found.append(f"Karmada can't schedule it: {outcome.problem}")
    found += outcome.broken
    found += [
        f"{counted(count, 'replica')} at least {'stays' if count == 1 else 'stay'} pending in {name}: it has no room"
        for name, count in outcome.pending.items()
    ]
    if outcome.open:
        found.append(_open_text(outcome))
    if outcome.guessed:
        found.append("where it is before isn't certain either: one of Karmada's possible choices is shown")
    return found


def _open_text(outcome: Outcome) -> str:
    open_to = [f"{name} ({low} to {high})" if low != high else name for name, (low, high) in outcome.open.items()]
    by_now = (
        "; the capacity that Clusters report now is used"
        if outcome.why == "free capacity"
        else "; one of its choices is shown"
    )
    return f"Karmada chooses among {names_of(open_to, _SHOWN)}: by {outcome.why}{by_now}"


def assumed_text(assumed: Assumed) -> str:
    """Return the assumptions as the beginning of a sentence: `If member2 is lost`."""
    parts = [f"{name} is lost" for name in sorted(assumed.without)]
    parts += [f"{name} is cordoned" for name in sorted(assumed.cordoned)]
    parts += [f"{name} gets the taint {taint}" for name, taint in assumed.taints]
    parts += [f"{name} has {counted(count, 'replica')}" for name, count in assumed.replicas.items()]
    parts += [f"{one.name} joins" for one in assumed.joins]
    if assumed.scheduler:
        parts.append(f"Karmada is {assumed.scheduler.version}")
    return (
        "If "
        + (", ".join(parts[:-1]) + " and " if len(parts) > 1 else "")
        + (parts[-1] if parts else "nothing happens")
    )


def loss_text(loss: Loss) -> str:
    """Return what is lost: `cluster member1`, `region eu (member1, member2)`."""
    return f"{loss.kind} {loss.name}" + (f" ({', '.join(loss.clusters)})" if loss.kind != "cluster" else "")


def ends_text(found: Iterable[Outcome]) -> str:
    """Return the names of templates, each with its workload."""
    return names_of([f"{one.workload} ({one.template})" for one in found], _SHOWN)


def changed_decision_text(one: ChangedDecision) -> str:
    """Return what another version decides differently about a template."""
    parts = []
    if one.fits:
        parts.append(f"its placement chooses {', '.join(one.fits)}, too")
    if one.no_longer:
        parts.append(f"its placement no longer chooses {', '.join(one.no_longer)}")
    if dict(one.now) != dict(one.then) or one.open:
        parts.append(f"scheduled again: {_shares(one.now)} today, {_shares(one.then)} then")
    parts += [f"{side}: one of Karmada's choices, by {why}" for side, why in one.open.items()]
    return "; ".join(parts)


def _shares(side: Shares) -> str:
    return ", ".join(f"{name} {count}" if count is not None else name for name, count in side.items()) or "nowhere"
