"""compose.yaml and what it mounts fit together, and fit the code. (No Docker runs here: images are not built.)"""

import json
import re
import tomllib

import pytest

from deploy.reading import DEPLOY, ROLES, ROOT, read, unknown_figures, variables

COMPOSE = read("compose.yaml")
OURS = (*ROLES, "migrate")


@pytest.mark.parametrize("service", OURS)
def test_a_service_runs_a_command_that_exists_with_variables_that_it_reads(service: str) -> None:
    made = COMPOSE["services"][service]
    known = variables([service, *made["command"][1:]])
    assert made["command"][0] == service
    assert {name for name in made["environment"] if name.startswith("WINKEL_")} <= known | {"WINKEL_METRICS_PORT"}
    assert made["read_only"]
    assert made["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("service", ROLES)
def test_ports_agree(service: str) -> None:
    made = COMPOSE["services"][service]
    port = made["environment"]["WINKEL_METRICS_PORT"]
    assert f"127.0.0.1:{port}/readyz" in made["healthcheck"]["test"][-1]
    jobs = {each["job_name"]: each["dns_sd_configs"][0] for each in read("prometheus/prometheus.yml")["scrape_configs"]}
    assert (jobs[f"winkel-{service}"]["names"], str(jobs[f"winkel-{service}"]["port"])) == ([service], port)
    assert not [each for each in made.get("ports", []) if port in each], "nobody outside sees the figures"


def test_the_gateway_listens_where_its_port_is_published() -> None:
    gateway = COMPOSE["services"]["gateway"]
    port = gateway["command"][gateway["command"].index("--port") + 1]
    assert gateway["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_addresses_name_services_and_every_password_is_the_same() -> None:
    services, environment = COMPOSE["services"], COMPOSE["services"]["meter"]["environment"]
    host = re.match(r"kafka://(\w+):(\d+)/", environment["WINKEL_LOG"])
    assert host
    assert f"PLAINTEXT://{host[1]}:{host[2]}" == services[host[1]]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    found = re.fullmatch(r"postgresql://(\w+):(.+)@(\w+):5432/(\w+)", environment["WINKEL_DATABASE_URL"])
    assert found
    server = services[found[3]]["environment"]
    assert (found[1], found[2], found[4]) == tuple(server[f"POSTGRES_{each}"] for each in ("USER", "PASSWORD", "DB"))


def test_everything_that_is_mounted_is_there() -> None:
    volumes = set(COMPOSE["volumes"])
    for made in COMPOSE["services"].values():
        for each in made.get("volumes", []):
            source = each.split(":")[0]
            assert source in volumes or (DEPLOY / source).exists(), each
    provider = read("grafana/provisioning/dashboards/winkel.yaml")["providers"][0]
    boards = [each for each in COMPOSE["services"]["grafana"]["volumes"] if "winkel.json" in each]
    assert boards[0].split(":")[1].startswith(provider["options"]["path"] + "/")
    assert read("grafana/provisioning/datasources/prometheus.yaml")["datasources"][0]["url"] == "http://prometheus:9090"


def test_prometheus_knows_every_figure_that_alerts_ask_for() -> None:
    assert read("prometheus/prometheus.yml")["rule_files"] == ["alerts.yaml"]
    rules = [rule for group in read("prometheus/alerts.yaml")["groups"] for rule in group["rules"]]
    assert len(rules) >= 8
    for rule in rules:
        assert unknown_figures(rule["expr"]) == set(), rule["alert"]
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_the_image_holds_what_is_pinned_and_runs_without_rights() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    for line in re.findall(r"pip install .*", text):
        assert "--constraint requirements.lock" in line
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "groupadd --system --gid 10001 " in text
    assert "useradd --system --uid 10001 --gid winkel " in text
    pods = (DEPLOY / "helm" / "winkel" / "templates" / "_helpers.tpl").read_text()
    assert re.findall(r"(?:runAs|fs)(?:User|Group): (\d+)", pods) == ["10001"] * 3
    sources = {word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for word in line.split()}
    allowed = set(re.findall(r"^!(\S+)", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert sources == allowed
    assert all((ROOT / each).exists() for each in sources)
    pinned = {
        line.split("==")[0].lower() for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    }
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[\[>=;< ]", each)[0].lower() for each in needed} <= pinned


BOARD = json.loads((DEPLOY / "grafana" / "winkel.json").read_text())


def test_every_figure_of_the_dashboard_is_shown_by_somebody() -> None:
    panels = [each for each in BOARD["panels"] if each["type"] != "row"]
    assert len(panels) >= 20
    for panel in panels:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert unknown_figures(target["expr"]) == set(), panel["title"]
            assert target["datasource"]["uid"] == "${source}"
        assert panel["description"].endswith(".")


def test_panels_have_places_of_their_own() -> None:
    taken = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    ids = [each["id"] for each in BOARD["panels"]]
    assert len(ids) == len(set(ids))
