"""A tool that predicts what happens to workloads if the fleet changes. It changes nothing."""

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
    """The assumptions, which are made all together."""

    without: _Names = Field(
        default=(), description="Clusters that are lost, by name; or region=NAME, zone=NAME for all clusters in it."
    )
    cordon: _Names = Field(default=(), description="Clusters to which nothing new is scheduled.")
    taints: _Names = Field(default=(), description="Taints that clusters get: CLUSTER=KEY=VALUE:NoExecute.")
    replicas: _Names = Field(default=(), description="New numbers of replicas of workloads: NAME=COUNT.")
    karmada: str = Field(default="", max_length=40, description="Another version of Karmada, such as 1.18.2.")
    each: bool = Field(
        default=False, description="Find single points of failure: for each cluster, region and zone, assume its loss."
    )
    failover: Literal["as the stack says", "on", "off"] = Field(
        default="as the stack says",
        description="Whether this Karmada moves workloads away from failed clusters.",
    )


class SimulatedTemplate(Answer):
    """What happens to one template of a workload."""

    workload: str
    template: str
    verdict: str = Field(
        description="changes, fewer (fewer replicas run), lost (nothing runs), depends (on what Karmada chooses)."
    )
    certain: bool = Field(description="The verdict does not depend on what Karmada chooses.")
    moves: str = Field(description="Cluster by cluster: replicas before and after.")
    details: list[str]


class SimulatedLoss(Answer):
    """The effect of the loss of a cluster, a region or a zone."""

    of: str
    lost: str = Field(description="Workloads of which nothing would run any more; empty if there are none.")
    may_be_lost: str = Field(description="Workloads that may be lost, depending on what Karmada chooses.")


class SimulationAnswer(PagedAnswer):
    """What happens to the fleet's workloads. Templates that stay the same are left out."""

    failover: str = Field(description="What this Karmada is assumed to do about failed clusters.")
    notes: list[str] = Field(description="Assumptions of the simulation that may differ from the fleet as it is now.")
    templates: list[SimulatedTemplate] = Field(description="Templates that change, the worst first; paged.")
    same: int = Field(description="The number of templates that stay the same.")
    losses: list[SimulatedLoss] = Field(
        description=f"With each: the losses by which a workload is lost or may be lost, at most {_SHOWN}."
    )
    otherwise: list[str] = Field(
        description=f"With karmada: what that version decides differently when it schedules next, at most {_SHOWN}."
    )


_WORST_FIRST = (Verdict.LOST, Verdict.DEPENDS, Verdict.FEWER, Verdict.CHANGES)


class Simulating:
    """The tool that simulates the stack of a workplace."""

    def __init__(self, workplace: Workplace) -> None:
        """Work on the stack of a workplace."""
        self._workplace = workplace

    def tools(self) -> list[Tool]:
        """Return the tool, as a list."""
        return [
            Tool(
                "simulate",
                "Simulate a change of the fleet",
                "Predict what happens to workloads if clusters are lost, cordoned or tainted, or if replicas or "
                "Karmada's version change; with each: which losses the fleet would not survive. Changes nothing.",
                Simulate,
                SimulationAnswer,
                self.simulate,
                seconds=_SECONDS,
            )
        ]

    def simulate(self, asked: Simulate) -> SimulationAnswer:
        """Return the result of a simulation."""
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
    """Return a simulation as an answer for an agent."""
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
