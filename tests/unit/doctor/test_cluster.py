"""What a cluster serves, from recorded answers and from changed ones."""

from __future__ import annotations

import pytest

from penstock.doctor.cluster import check_chart, check_kinds, check_namespace, check_policies, check_version
from penstock.doctor.needs import Need
from penstock.doctor.permissions import PURPOSES, check_permissions, reviews
from unit.doctor.recordings import documents, recorded, resources

EVERY_NEED = frozenset(Need)


def version(told: str) -> dict[str, dict[str, str]]:
    return {"serverVersion": {"gitVersion": told}}


def test_recorded_version_is_new_enough() -> None:
    (found,) = check_version(recorded("version"))
    assert (found.state, found.found) == ("ok", "v1.36.3")


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("v1.32.9", "missing"),
        ("v1.33.0", "ok"),
        ("v1.36.3-eks-1", "ok"),
        ("v2.0.0", "ok"),
        ("1.33.1+k3s1", "ok"),
        ("", "unknown"),
        ("devel", "unknown"),
    ],
)
def test_native_sidecars_need_1_33(told: str, state: str) -> None:
    (found,) = check_version(version(told))
    assert found.state == state
    assert bool(found.fix) == (state != "ok")


def test_recorded_policy_api_is_there() -> None:
    assert check_policies({"v1": resources("policies")}).found == "MutatingAdmissionPolicy v1"


@pytest.mark.parametrize(("needs", "state"), [(frozenset(), "note"), (EVERY_NEED, "missing")])
def test_policy_api_that_is_not_there_says_what_works_without(needs: frozenset[Need], state: str) -> None:
    without = resources("policies") - {"mutatingadmissionpolicies"}
    found = check_policies({"v1": without, "v1beta1": []}, needs)
    assert found.state == state
    assert "injection.enabled=false" in found.fix


def test_beta_of_the_policy_api_will_do() -> None:
    found = check_policies({"v1": ["validatingadmissionpolicies"], "v1beta1": ["mutatingadmissionpolicies"]})
    assert (found.state, found.found) == ("ok", "MutatingAdmissionPolicy v1beta1")


def test_recorded_projects() -> None:
    served = {"argoproj.io": resources("argo")}
    states = {finding.check: finding.state for finding in check_kinds(served)}
    assert states.pop("Argo Workflows") == "ok"
    assert set(states.values()) == {"note"}


def test_argos_other_projects_are_not_taken_for_argo_workflows() -> None:
    found = next(iter(check_kinds({"argoproj.io": ["rollouts", "applications"]}, EVERY_NEED)))
    assert (found.check, found.state) == ("Argo Workflows", "missing")
    assert "workflows, workflowtemplates" in found.found


@pytest.mark.parametrize("need", [Need.KUBEFLOW, Need.TRAINER, Need.JOBSET, Need.MONITORING])
def test_what_is_asked_for_is_essential(need: Need) -> None:
    states = [finding.state for finding in check_kinds({}, frozenset({need}))]
    assert (states.count("missing"), states.count("note")) == (1, 4)


def test_recorded_namespace() -> None:
    found = check_namespace(recorded("namespace"), "training")
    assert (found.state, found.found) == ("ok", "Pod Security enforced: restricted")


def test_namespace_that_is_not_there_or_goes() -> None:
    assert check_namespace(None, "training").fix == "kubectl create namespace training"
    leaving = {**recorded("namespace"), "status": {"phase": "Terminating"}}
    assert check_namespace(leaving, "training").state == "missing"


@pytest.mark.parametrize(
    ("recording", "namespace", "state"),
    [
        ("bindings", "training", "ok"),
        ("bindings", "other", "note"),
        ("bindings-everywhere", "other", "ok"),
        ("bindings-everywhere", "kube-system", "note"),
    ],
)
def test_recorded_release_injects_where_its_selector_says(recording: str, namespace: str, state: str) -> None:
    assert check_chart(recorded(recording)["items"], namespace).state == state


def test_two_releases_for_a_namespace_are_told() -> None:
    both = [*recorded("bindings")["items"], *recorded("bindings-everywhere")["items"]]
    found = check_chart(both, "training")
    assert (found.state, found.found[:10]) == ("note", "2 releases")


def test_what_labels_pods_injects_nothing() -> None:
    [binding] = recorded("bindings")["items"]
    labels = {**binding, "spec": {**binding["spec"], "paramRef": {"selector": {}, "parameterNotFoundAction": "Allow"}}}
    assert check_chart([binding, labels], "training").state == "ok"
    assert check_chart([labels], "training").state == "note"


def test_no_release_is_essential_only_where_injection_is() -> None:
    assert check_chart([], "training").state == "note"
    assert check_chart([], "training", EVERY_NEED).state == "missing"


def test_recorded_permissions_of_an_administrator() -> None:
    assert [finding.state for finding in check_permissions(documents("answers"))] == ["ok", "ok", "ok"]


def test_recorded_permissions_of_a_viewer() -> None:
    run, submit, install = check_permissions(documents("answers-of-a-viewer"))
    assert (run.state, run.found) == ("missing", "may not create pods")
    assert (submit.state, install.state) == ("note", "note")
    assert "create mutatingadmissionpolicies.admissionregistration.k8s.io" in install.found


def test_questions_are_of_the_namespace_unless_they_are_of_the_cluster() -> None:
    asked = [item["spec"]["resourceAttributes"] for item in reviews("training")["items"]]
    assert len(asked) == len(documents("answers")) == sum(len(purpose.accesses) for purpose in PURPOSES)
    wide = {item["resource"] for item in asked if "namespace" not in item}
    assert wide == {item["resource"] for item in asked if item.get("group") == "admissionregistration.k8s.io"}
    assert {item["namespace"] for item in asked if "namespace" in item} == {"training"}


def test_answers_that_are_not_to_the_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        check_permissions(documents("answers")[:-1])
