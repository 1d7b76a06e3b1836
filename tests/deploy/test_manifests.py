"""What compose and Kubernetes are told agrees with the service's settings and with the checked container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.container import READY_TIMEOUT_SECONDS, USER_ID
from runtime.api.settings import PREFIX, Settings, read_settings, variable

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def compose_service() -> dict[str, Any]:
    """Return the only service of compose.yaml."""
    (service,) = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values()
    return dict(service)


def kubernetes(kind: str) -> dict[str, Any]:
    """Return the only object of a kind."""
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    assert len(documents) == 2
    (found,) = [document for document in documents if document["kind"] == kind]
    return dict(found)


def pod() -> dict[str, Any]:
    """Return the specification of the pod."""
    return dict(kubernetes("Deployment")["spec"]["template"]["spec"])


def pod_container() -> dict[str, Any]:
    """Return the only container of the pod."""
    (container,) = pod()["containers"]
    return dict(container)


def pod_environment() -> dict[str, str]:
    """Return the variables of the pod's container."""
    return {entry["name"]: entry["value"] for entry in pod_container()["env"]}


ENVIRONMENTS = {"compose": compose_service()["environment"], "kubernetes": pod_environment()}


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_every_variable_is_a_setting_with_an_allowed_value(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    assert len(settings) >= 3
    assert set(settings) <= {variable(field) for field in Settings.model_fields}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    read = read_settings()
    for name, value in settings.items():
        assert str(getattr(read, name.removeprefix(PREFIX).lower())) in {value, f"{value}.0"}


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_every_other_variable_is_the_home_that_can_be_written_to(environment: dict[str, str]) -> None:
    others = {name: value for name, value in environment.items() if not name.startswith(PREFIX)}
    assert others == {"BENTOML_HOME": "/tmp/bentoml"}


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_one_worker_takes_the_cpus_that_its_container_may_use(environment: dict[str, str]) -> None:
    assert Settings.model_fields["workers"].default == 1
    assert environment[variable("workers")] == "1"
    assert Settings.model_fields["threads"].default is None
    assert variable("threads") not in environment


def test_a_pod_may_use_whole_cpus_and_all_that_it_asked_for() -> None:
    resources = pod_container()["resources"]
    assert resources["limits"]["cpu"] == resources["requests"]["cpu"]
    assert int(resources["limits"]["cpu"]) >= 1  # a fraction would be throttled: threads are whole


def test_compose_runs_as_hardened_as_the_checked_container() -> None:
    service = compose_service()
    assert service["user"] == f"{USER_ID}:{USER_ID}"
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp:size=64m"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"] == "2g"


def test_kubernetes_runs_as_hardened_as_the_checked_container() -> None:
    security = pod()["securityContext"]
    assert (security["runAsNonRoot"], security["runAsUser"]) == (True, USER_ID)
    assert pod_container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    (mount,) = pod_container()["volumeMounts"]
    (volume,) = pod()["volumes"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], "/tmp")
    assert volume["emptyDir"]["sizeLimit"] == "64Mi"


def key_overlays() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what compose and Kubernetes are told besides for an encrypted model."""
    compose, patch = (
        dict(yaml.safe_load((DEPLOY / f"{name}-key.yaml").read_text())) for name in ("compose", "kubernetes")
    )
    return compose, dict(patch["spec"]["template"]["spec"])


def test_the_key_is_a_file_where_the_service_looks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    compose, pod_patch = key_overlays()
    ((name, service),) = compose["services"].items()
    assert name in yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ((secret, source),) = compose["secrets"].items()
    assert service["secrets"] == [secret]
    assert source["file"].startswith("${BENTOBERT_KEY_FILE:?")  # no key, no start
    (container,) = pod_patch["containers"]
    assert container["name"] == pod_container()["name"]
    (mount,) = container["volumeMounts"]
    environments = [service["environment"], {entry["name"]: entry["value"] for entry in container["env"]}]
    places = [f"/run/secrets/{secret}", f"{mount['mountPath']}/key"]
    for environment, place in zip(environments, places, strict=True):
        assert environment == {variable("key_file"): place}
        monkeypatch.setenv(variable("key_file"), place)
        assert read_settings().key_file == place


def test_only_the_service_may_read_the_secret_of_a_cluster() -> None:
    _, pod_patch = key_overlays()
    (volume,) = pod_patch["volumes"]
    (mount,) = pod_patch["containers"][0]["volumeMounts"]
    assert mount["name"] == volume["name"]
    assert mount["name"] not in {one["name"] for one in pod()["volumes"]}
    assert mount["readOnly"] is True
    assert volume["secret"]["defaultMode"] == 0o400
    assert pod_patch["securityContext"] == {"fsGroup": pod()["securityContext"]["runAsGroup"]}
    header = (DEPLOY / "kubernetes-key.yaml").read_text().split("spec:")[0]
    assert f"create secret generic {volume['secret']['secretName']} --from-file=key=" in header
    assert f"patch deployment {kubernetes('Deployment')['metadata']['name']} " in header


def test_health_is_asked_where_the_service_answers() -> None:
    paths = {
        name: pod_container()[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}
    assert "http://127.0.0.1:3000/readyz" in compose_service()["healthcheck"]["test"][-1]
    (port,) = pod_container()["ports"]
    assert port == {"name": "http", "containerPort": 3000}


def test_a_start_may_take_as_long_as_in_the_checked_container() -> None:
    probe = pod_container()["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == READY_TIMEOUT_SECONDS
    assert compose_service()["healthcheck"]["start_period"] == f"{READY_TIMEOUT_SECONDS}s"


def test_a_stop_leaves_time_for_requests_in_flight() -> None:
    timeout = float(pod_environment()["CLASSIFIER_TIMEOUT_SECONDS"])
    waited = int(pod_container()["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod()["terminationGracePeriodSeconds"] > waited + timeout
    grace = compose_service()["stop_grace_period"]
    assert grace.endswith("s")
    assert int(grace[:-1]) > float(compose_service()["environment"]["CLASSIFIER_TIMEOUT_SECONDS"])


def test_the_cluster_service_finds_the_pods() -> None:
    template = kubernetes("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert kubernetes("Service")["spec"]["selector"].items() <= template.items()
    assert kubernetes("Deployment")["spec"]["selector"]["matchLabels"].items() <= template.items()
    (port,) = kubernetes("Service")["spec"]["ports"]
    assert port["targetPort"] == "http"
