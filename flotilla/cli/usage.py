"""The description and the examples of each verb, for `flotilla VERB --help` and docs/reference/commands.md.

A test parses every example with the command's own parser.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """The description and the examples of one verb."""

    text: str
    """What the verb does, in a few sentences."""
    examples: tuple[tuple[str, str], ...]
    """Pairs of a command and what it does."""
    exits: tuple[tuple[int, str], ...] = ()
    """The exit codes that have a special meaning for this verb."""

    @property
    def epilog(self) -> str:
        """The examples in the form of the help."""
        lines = [f"  {command}\n      {text}" for command, text in self.examples]
        return "\n".join(["Examples:", *lines]) + "\n"


_REFUSED = (4, "a policy or a guard refuses the plan; nothing was changed")
_DIFFERENT_PLAN = (1, "a step failed, or the plan is not the one of `--plan`")
_UNHEALTHY_IS_DONE = (0, "the view was printed, whatever the health of the fleet")

USAGE = {
    "init": Usage(
        "Write a new project into a folder, or upgrade the files of a project that an earlier version wrote.",
        (
            ("flotilla init my-fleet --sandbox", "write a project, start a local fleet and deploy to it"),
            ("flotilla init my-fleet --name shop", "write a project for your own clusters"),
            ("flotilla init --upgrade", "show what this version changes in the project here, and apply it"),
        ),
    ),
    "preview": Usage(
        "Plan what `up` would change, and print it. Nothing is changed.",
        (
            ("flotilla preview -s prod", "plan the stack `prod`"),
            ("flotilla preview -s prod --rendered", "also print the objects that each cluster will get"),
            ("flotilla preview -s prod --json", "print the plan as JSON, with its digest"),
            ("flotilla preview -s prod --expect-no-changes", "exit with 3 if `up` would change something"),
        ),
        (
            (3, "`--expect-no-changes` was given, and the plan has changes"),
            (4, "a policy or a guard refuses the plan"),
        ),
    ),
    "up": Usage(
        "Plan, ask, and apply the plan. The run ends when every chosen cluster reports its workloads healthy.",
        (
            ("flotilla up -s prod", "show the plan, ask, and apply it"),
            ("flotilla up -s prod --yes", "apply without a question"),
            ("flotilla up -s prod --plan 4f3c2a91", "apply exactly the plan to which `preview` gave this digest"),
            ("flotilla up -s prod --adopt web", "take over the existing objects of the workload `web`"),
        ),
        (_DIFFERENT_PLAN, _REFUSED),
    ),
    "refresh": Usage(
        "Read the stack's objects from the clusters into the state. No cluster is changed.",
        (
            ("flotilla refresh -s prod", "update the state"),
            ("flotilla refresh -s prod --preview-only --expect-no-changes", "exit with 3 if a cluster differs"),
        ),
        ((3, "`--expect-no-changes` was given, and something differs"),),
    ),
    "destroy": Usage(
        "Plan, ask, and delete everything that the stack has deployed.",
        (
            ("flotilla destroy -s dev", "show what would be deleted, ask, and delete it"),
            ("flotilla destroy -s dev --preview-only", "show what would be deleted"),
        ),
        (_DIFFERENT_PLAN, (4, "a guard refuses the plan; nothing was changed")),
    ),
    "validate": Usage(
        "Check the stack file and every file that it names, and print all problems. No cluster is asked.",
        (("flotilla validate -s prod", "check `stacks/Pulumi.prod.yaml`"),),
        ((2, "the stack file has problems"),),
    ),
    "env": Usage(
        "Print the environment variables that Pulumi's own CLI needs in this project, as `export` commands.",
        (("flotilla env -s prod", 'print the exports; in a shell: eval "$(flotilla env -s prod)"'),),
    ),
    "rollback": Usage(
        "Plan, ask, and apply what an earlier update of the stack declared. The stack file is not changed.",
        (
            ("flotilla rollback -s prod", "go back to the newest earlier update that declared something else"),
            ("flotilla rollback -s prod --to 12 --preview-only", "show what going back to update 12 would change"),
        ),
        (_DIFFERENT_PLAN, (2, "the history has no update to go back to"), _REFUSED),
    ),
    "history": Usage(
        "List the updates of the stack. Each line says whether `rollback` can go back to it.",
        (("flotilla history -s prod", "list the updates of the stack `prod`"),),
    ),
    "adopt": Usage(
        "Without OBJECT: read an existing Karmada, and write a stack file and manifests that declare its objects. No "
        "cluster is changed, and no file is overwritten. With OBJECT: take over this one object, which the stack "
        "declares and which exists already.",
        (
            (
                "flotilla adopt -s prod --karmada-kubeconfig karmada.yaml --member-kubeconfig member1=member1.yaml",
                "write the stack `prod` for an existing fleet",
            ),
            (
                "flotilla adopt -s prod --from-member member1 --namespace shop",
                "write workloads for what runs in `member1` without Karmada",
            ),
            ("flotilla adopt Deployment/shop/web -s prod", "take over one object that the stack declares"),
        ),
        (_DIFFERENT_PLAN, _REFUSED),
    ),
    "status": Usage(
        "Show control plane, members and workloads, and what is wrong with them, the worst first.",
        (
            ("flotilla status -s prod", "show the fleet of a stack"),
            ("flotilla status --kubeconfig karmada.yaml --watch", "show any Karmada, again every 2 seconds"),
        ),
        (_UNHEALTHY_IS_DONE,),
    ),
    "clusters": Usage(
        "List the members with their readiness, capacity, labels and taints.",
        (
            ("flotilla clusters -s prod", "list all members"),
            ("flotilla clusters -s prod --cluster-labels tier=edge", "list the members with a label"),
        ),
        (_UNHEALTHY_IS_DONE,),
    ),
    "workloads": Usage(
        "List the workloads in each member, and why a copy is not healthy.",
        (
            ("flotilla workloads -s prod", "list all workloads"),
            ("flotilla workloads -s prod --health unhealthy", "list the copies that are not healthy, with the reason"),
        ),
        (_UNHEALTHY_IS_DONE,),
    ),
    "rollout": Usage(
        "Show and control changes that reach their clusters in waves.",
        (("flotilla rollout status -s prod", "list the changes that are under way"),),
    ),
    "rollout status": Usage(
        "List the changes that are under way: which clusters have the change, and what it waits for.",
        (("flotilla rollout status web -s prod", "show the change of one workload"),),
    ),
    "rollout pause": Usage(
        "Start no further wave of a workload's change. A wave that has started continues.",
        (("flotilla rollout pause web -s prod", "pause the change of `web`"),),
        ((1, "no change of the workload is under way"),),
    ),
    "rollout resume": Usage(
        "End a pause: the next wave starts when the gate before it has passed.",
        (("flotilla rollout resume web -s prod", "end the pause of `web`"),),
        ((1, "no change of the workload is under way"),),
    ),
    "rollout abort": Usage(
        "Stop a workload's change, and restore the former state in the clusters that have the change.",
        (("flotilla rollout abort web -s prod", "take back the change of `web`"),),
        ((1, "no change of the workload is under way"),),
    ),
    "rollout approve": Usage(
        "Approve the wave of a workload that waits for a person.",
        (
            ("flotilla rollout approve web -s prod", "approve the wave that waits"),
            ("flotilla rollout approve web -s prod --wave 2", "approve it only if it is wave 2"),
        ),
        ((1, "no change of the workload is under way, or none waits for approval"),),
    ),
    "state": Usage(
        "Show, restore and unlock the stored state of a stack.",
        (("flotilla state show -s prod", "show where the state, its backups and its locks are"),),
    ),
    "state show": Usage(
        "Show where the state, its backups and its locks are, and whether the state can be read.",
        (("flotilla state show -s prod", "show the state of the stack `prod`"),),
        ((1, "the state can't be read"),),
    ),
    "state restore": Usage(
        "Replace a stack's state by one of its backups, after a question.",
        (
            ("flotilla state restore -s prod", "restore the newest backup that can be read"),
            ("flotilla state restore -s prod --backup backup.json", "restore this backup"),
        ),
    ),
    "state unlock": Usage(
        "Remove the lock that a run left behind, after a question.",
        (("flotilla state unlock -s prod", "remove the lock of a run that has ended"),),
    ),
    "get": Usage(
        "List objects of any kind in all members, as `kubectl get` does in one cluster.",
        (
            ("flotilla get pods -s prod -n shop", "list the pods of a namespace in all members"),
            ("flotilla get deploy web -s prod --cluster 'edge-*'", "list one Deployment in some members"),
        ),
        ((1, "no member answered"),),
    ),
    "events": Usage(
        "List events of all members, the newest last.",
        (
            ("flotilla events -s prod --warnings", "list warnings of all members"),
            ("flotilla events web -s prod -n shop", "list events about objects whose name starts with `web`"),
        ),
        ((1, "no member answered"),),
    ),
    "logs": Usage(
        "Print the logs of a workload's containers, from every member that runs it.",
        (
            ("flotilla logs web -s prod --follow", "print new lines until Ctrl-C"),
            ("flotilla logs pod/web-0 -s prod -c proxy --previous", "print the log of a container that has ended"),
        ),
        ((1, "no member answered"),),
    ),
    "graph": Usage(
        "Draw which workload runs in which cluster.",
        (
            ("flotilla graph -s prod -o fleet.svg", "draw the running fleet"),
            ("flotilla graph -s prod --of plan --format mermaid", "draw what `up` would make of the fleet"),
        ),
    ),
    "report": Usage(
        "Write a report as one HTML file that loads nothing from elsewhere.",
        (
            ("flotilla report -s prod -o fleet.html", "report the running fleet"),
            ("flotilla report -s prod --of drift -o drift.html", "report drift"),
        ),
    ),
    "policy": Usage(
        "Check the plan against the project's policies, and print the verdicts.",
        (
            ("flotilla policy -s prod", "print violations"),
            ("flotilla policy -s prod --all", "print every verdict"),
        ),
        ((4, "a mandatory policy or a guard refuses the plan"),),
    ),
    "simulate": Usage(
        "Predict what happens to workloads if clusters are lost, cordoned, tainted or added. Nothing is changed.",
        (
            ("flotilla simulate -s prod --without member2", "assume the loss of one cluster"),
            (
                "flotilla simulate -s prod --each --require-survival",
                "assume the loss of each cluster, region and zone in turn",
            ),
            ("flotilla simulate -s prod --karmada 1.18.2", "assume another version of Karmada"),
        ),
        ((1, "`--require-survival` was given, and a workload is lost, or may be lost"),),
    ),
    "drift": Usage(
        "Compare the fleet with what the last `up` declared, down to the objects in the members. Nothing is changed "
        "without `--fix`.",
        (
            ("flotilla drift -s prod", "print what differs, who changed it, and the remedy"),
            ("flotilla drift -s prod --format sarif", "print it for a CI system"),
            ("flotilla drift -s prod --fix", "run `up --refresh` for what it can fix, after a question"),
        ),
        (
            (1, "nothing was found, but a cluster did not answer"),
            (3, "drift was found"),
            (4, "a guard refuses what `--fix` would do; nothing was changed"),
        ),
    ),
    "cordon": Usage(
        "Schedule nothing new to a member. The workloads that run there stay. The command also changes the stack file.",
        (("flotilla cordon member2 -s prod --until 2026-12-31", "cordon a member; plans warn when the day is over"),),
        (_DIFFERENT_PLAN, _REFUSED),
    ),
    "drain": Usage(
        "Schedule nothing new to a member, and move the workloads that can run elsewhere. The command also changes the "
        "stack file.",
        (
            ('flotilla drain member2 -s prod --reason "new kernel"', "drain a member, and store the reason"),
            ("flotilla drain member2 -s prod --preview-only", "show what would move"),
        ),
        (_DIFFERENT_PLAN, _REFUSED),
    ),
    "uncordon": Usage(
        "End a member's maintenance: the member gets workloads again, and those that its placement moved away return.",
        (
            ("flotilla uncordon member2 -s prod", "end the maintenance"),
            ("flotilla uncordon member2 -s prod --rebalance", "also make Karmada divide the replicas again"),
        ),
        (_DIFFERENT_PLAN, _REFUSED),
    ),
    "abandon": Usage(
        "Remove a member that no longer exists from the control plane and from the state. Refused for a member that "
        "answers.",
        (
            ("flotilla abandon member2 -s prod --preview-only", "show what would be removed"),
            ("flotilla abandon member2 -s prod", "remove it, after a question"),
        ),
    ),
    "release": Usage(
        "Stop managing workloads or members. Their objects stay in the members and keep running without Karmada, and "
        "the state forgets them. Afterwards remove them from the stack file.",
        (
            ("flotilla release shop member2 -s prod", "release one workload and one member"),
            ("flotilla release --all -s prod --preview-only", "show what a release of everything would do"),
        ),
    ),
    "explain": Usage(
        "List the values of Karmada's chart that the stack changes, each with the reason.",
        (("flotilla explain -s prod", "list them for the stack `prod`"),),
    ),
    "kubeconfig": Usage(
        "Write the credentials of Karmada, or of another cluster of the stack, to a file.",
        (
            ("flotilla kubeconfig -s prod -o karmada.yaml", "write Karmada's kubeconfig, with mode 0600"),
            ("flotilla kubeconfig -s prod --cluster member1 --merge", "add a member to ~/.kube/config"),
        ),
    ),
    "doctor": Usage(
        "Check that this machine and the clusters have what the stack needs.",
        (("flotilla doctor -s prod", "check everything, and print a remedy for each problem"),),
        ((1, "something is wrong"),),
    ),
    "mcp": Usage(
        "Serve tools for AI agents over the Model Context Protocol, on standard input and output or over HTTP.",
        (
            ("flotilla mcp -s prod", "serve tools that only read"),
            ("flotilla mcp -s prod --http --port 8931 --token-file token", "serve over HTTP on 127.0.0.1"),
            ("flotilla mcp -s dev --allow-changes", "also serve tools that change the fleet"),
        ),
    ),
    "sandbox": Usage(
        "Manage a local fleet of real API servers. No Docker is needed.",
        (("flotilla sandbox up", "start a control plane and two members"),),
    ),
    "sandbox up": Usage(
        "Start the local fleet, or repair the one that is there.",
        (
            ("flotilla sandbox up", "start a control plane and two members"),
            ("flotilla sandbox up --members 5", "start five members"),
        ),
        ((1, "a part is not ready"),),
    ),
    "sandbox prepare": Usage(
        "Download the sandbox's programs, or build them where they can't be downloaded. They are kept in a cache.",
        (("flotilla sandbox prepare", "do it now, so that the first start is quick"),),
    ),
    "sandbox status": Usage(
        "List the parts of the local fleet.",
        (("flotilla sandbox status", "list them, with the files of their kubeconfigs"),),
        ((1, "a part is not ready"),),
    ),
    "sandbox down": Usage(
        "End the processes of the local fleet, and remove its files and its stack.",
        (("flotilla sandbox down", "remove the local fleet"),),
    ),
    "completion": Usage(
        "Print the script with which a shell completes verbs, options, stacks, clusters and workloads.",
        (("flotilla completion bash", 'print it; in ~/.bashrc: eval "$(flotilla completion bash)"'),),
    ),
}
"""The usage of each verb; the name of an inner verb follows a space: `sandbox up`."""
