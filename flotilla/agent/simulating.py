"""A tool that says what becomes of workloads if something happens to the fleet; it changes nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flotilla.agent.bounds import cut, page
from flotilla.agent.planning import failing
from flotilla.agent.tool import Answer, PagedAnswer, PagedArguments, Refused, Tool
from flotilla.agent.workplace import Workplace
from flotilla.deploy.simulated import Simulated, seen_of, simulated
from flotilla.deploy.stack_file import fleet_of
from flotilla.karmada.simulation.asking import Assumptions, BadAssumption
from flotilla.karmada.simulation.outcome import Outcome, Verdict
from flotilla.karmada.simulation.texts import changed_decision_text, details, ends_text, loss_text, moves_text

_SECONDS = 300.0
_SHOWN = 20
_Names = Annotated[tuple[Annotated[str, Field(max_length=300)], ...], Field(max_length=50)]


class Simulate(PagedArguments):
    """What is assumed to happen, all of it together."""

    without: _Names = Field(
        default=(), description="Clusters that are lost, by name; or region=NAME, zone=NAME for all that are in it."
    )
    cordon: _Names = Field(default=(), description="Clusters that take nothing new.")
    taints: _Names = Field(default=(), description="Taints that clusters get: CLUSTER=KEY=VALUE:NoExecute.")
    replicas: _Names = Field(default=(), description="Other replicas of workloads: NAME=COUNT.")
    karmada: str = Field(default="", max_length=40, description="Another version of Karmada, such as 1.18.2.")
    each: bool = Field(
        default=False, description="Lose every cluster, region and zone, each alone: the single points of failure."
    )
    failover: Literal["as the stack says", "on", "off"] = Field(
        default="as the stack says",
        description="Whether this Karmada takes workloads away from failed clusters.",
    )


class SimulatedTemplate(Answer):
    """What becomes of one template of a workload."""

    workload: str
    template: str
    verdict: str = Field(description="changes, fewer (less of it runs), lost (nothing runs), depends (on Karmada).")
    certain: bool = Field(description="The verdict is the same whatever Karmada chooses.")
    moves: str = Field(description="Cluster by cluster: replicas before and after.")
    details: list[str]


class SimulatedLoss(Answer):
    """What the loss of a cluster, a region or a zone would end."""

    of: str
    lost: str = Field(description="Workloads of which nothing would run any more; empty where there is none.")
    may_be_lost: str = Field(description="Workloads of which that may be so: only Karmada knows.")


class SimulationAnswer(PagedAnswer):
    """What becomes of the fleet's workloads. What stays the same is left out."""

    failover: str = Field(description="What this Karmada is taken to do about failed clusters.")
    notes: list[str] = Field(description="What the simulation goes by, where that isn't the fleet as it is now.")
    templates: list[SimulatedTemplate] = Field(description="Worst first; paged.")
    same: int = Field(description="Templates of which nothing changes.")
    losses: list[SimulatedLoss] = Field(description=f"With each: what ends something or may, at most {_SHOWN}.")
    otherwise: list[str] = Field(
        description=f"With karmada: what that version decides otherwise at the next schedule, at most {_SHOWN}."
    )


_WORST_FIRST = (Verdict.LOST, Verdict.DEPENDS, Verdict.FEWER, Verdict.CHANGES)


class Simulating:
    """The tool's work."""

    def __init__(self, workplace: Workplace) -> None:
        """Simulate a workplace's stack."""
        self._workplace = workplace

    def tools(self) -> list[Tool]:
        """Return the tool."""
        return [
            Tool(
                "simulate",
                "Ask what if",
                "Say what becomes of workloads if clusters are lost, cordoned or tainted, if replicas or Karmada's "
                "version change, or which losses the fleet would not survive (each). Changes nothing.",
                Simulate,
                SimulationAnswer,
                self.simulate,
                seconds=_SECONDS,
            )
        ]

    def simulate(self, asked: Simulate) -> SimulationAnswer:
        """Simulate."""
        question = Assumptions(asked.without, asked.cordon, asked.taints, asked.replicas, (), asked.karmada)
        if question == Assumptions() and not asked.each:
            raise Refused("nothing is assumed", hint="give without, cordon, taints, replicas, karmada or each")
        with self._workplace.taking_turn():
            setting = self._workplace.setting()
            fleet = fleet_of(setting)
            result = self._workplace.open().preview()
            if result.failures:
                raise failing(result)
            seen = seen_of(setting, self._workplace.engine)
        given = {"on": True, "off": False}.get(asked.failover)
        try:
            found = simulated(result, seen, fleet.installed, question, each=asked.each, failover=given)
        except BadAssumption as error:
            raise Refused(error.message, hint=error.hint) from None
        return simulation_answer(found, asked)


def simulation_answer(found: Simulated, asked: PagedArguments) -> SimulationAnswer:
    """Return a simulation as an agent reads it."""
    changed = [one for one in found.outcomes if one.verdict is not Verdict.SAME]
    ordered = sorted(changed, key=lambda one: _WORST_FIRST.index(one.verdict))
    entries = [_template(one) for one in ordered]
    part = page(entries, asked)
    ending = [loss for loss in found.losses if loss.ends or loss.may_end]
    return SimulationAnswer(
        total=len(entries),
        next_cursor=part.next_cursor,
        failover=found.known.text,
        notes=[cut(text) for text in found.notes],
        templates=entries[part.first : part.end],
        same=len(found.outcomes) - len(changed),
        losses=[
            SimulatedLoss(
                of=cut(loss_text(one)), lost=cut(ends_text(one.ends)), may_be_lost=cut(ends_text(one.may_end))
            )
            for one in ending[:_SHOWN]
        ],
        otherwise=[
            cut(f"{one.workload}: {one.template}: {changed_decision_text(one)}") for one in found.otherwise[:_SHOWN]
        ],
    )


def _template(one: Outcome) -> SimulatedTemplate:
    return SimulatedTemplate(
        workload=one.workload,
        template=one.template,
        verdict=str(one.verdict),
        certain=one.certain,
        moves=cut(moves_text(one)),
        details=[cut(text) for text in details(one)],
    )
