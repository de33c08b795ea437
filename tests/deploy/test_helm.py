"""The chart's templates ask for values that are there, and say nothing that the code does not know.

Helm itself is not needed for that; `helm lint` and `helm template` are for whoever changes the chart.
"""

import re
from collections.abc import Iterator
from typing import Any

from deploy.reading import DEPLOY, ROLES, command, read, unknown_figures
from winkel.cli.gateway import REQUESTS_SECONDS
from winkel.config import Settings

CHART = DEPLOY / "helm" / "winkel"
VALUES = read("helm/winkel/values.yaml")
TEMPLATES = {path.name: path.read_text() for path in sorted((CHART / "templates").iterdir())}
TEXT = "\n".join(TEMPLATES.values())


def leaves(values: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Return the path of each value; what is given to Kubernetes whole is one value."""
    for name, value in values.items():
        path = (*above, name)
        if isinstance(value, dict) and value and path[0] != "settings" and name != "resources":
            yield from leaves(value, path)
        else:
            yield path


def asked() -> set[tuple[str, ...]]:
    """Return the path of each value that templates ask for; `.values` is a role's own."""
    found = {tuple(each.split(".")) for each in re.findall(r"\.Values\.([A-Za-z.]+)", TEXT)}
    found |= {(role, *each.split(".")) for each in re.findall(r"\.values\.([A-Za-z.]+)", TEXT) for role in ROLES}
    return found | {("meter", "autoscaling", each) for each in re.findall(r"\$scaling\.([A-Za-z]+)", TEXT)}


def there(path: tuple[str, ...]) -> bool:
    values: Any = VALUES
    for name in path:
        if not isinstance(values, dict) or name not in values:
            return False
        values = values[name]
    return True


def test_every_value_that_a_template_asks_for_is_there() -> None:
    only_meters = {("gateway", "cacheSize"), ("bill", "cacheSize")}
    assert {path for path in asked() if not there(path)} == only_meters


def test_every_value_is_asked_for() -> None:
    wanted = asked()
    unused = [path for path in leaves(VALUES) if not any(path[: len(each)] == each for each in wanted)]
    assert unused == []


def test_settings_are_those_of_the_code() -> None:
    fields = set(Settings.__struct_fields__)
    assert set(VALUES["settings"]) <= fields
    written = {name.lower() for name in re.findall(r"name: WINKEL_([A-Z_]+)$", TEXT, re.MULTILINE)}
    assert written - fields == {"metrics_port"}
    for role in ROLES:
        assert "WINKEL_METRICS_PORT" in {each.envvar for each in command([role]).params}


def test_roles_run_commands_that_exist() -> None:
    for role in ROLES:
        text = TEMPLATES[f"{role}.yaml"]
        lists = [re.findall(r'"([^"]+)"', each) for each in re.findall(rf'\(?list ("{role}"[^)}}]*)', text)]
        assert lists, role
        for words in lists:
            command(words)
    assert "args: [migrate]" in TEMPLATES["migrate.yaml"]
    command(["migrate"])
    assert "-- winkel top" in TEMPLATES["NOTES.txt"]
    command(["top"])


def test_meters_and_billing_of_two_versions_never_run_together() -> None:
    """The new ones may be of another schema. Gateways are replaced one by one: events are taken all the time."""
    text = TEMPLATES["_helpers.tpl"]
    strategy = text[text.index("  strategy:") : text.index("  selector:")]
    assert re.sub(r" *#.*", "", strategy).split("\n")[1:-1] == [
        '    {{- if eq .role "gateway" }}',
        "    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}",
        "    {{- else }}",
        "    type: Recreate",
        "    {{- end }}",
    ]


def test_a_pod_of_several_gateways_has_time_for_its_requests() -> None:
    """Kubernetes counts the pause before as well."""
    pause = re.search(r'command: \[sleep, "(\d+)"\]', TEMPLATES["_helpers.tpl"])
    assert pause
    assert VALUES["gateway"]["terminationGracePeriodSeconds"] >= int(pause[1]) + REQUESTS_SECONDS + 5


def test_ports_paths_and_figures_are_ours() -> None:
    assert VALUES["metrics"]["port"] == 9464
    gateway = TEMPLATES["gateway.yaml"]
    assert '"--port" "8080"' in gateway
    assert "containerPort: 8080" in TEMPLATES["_helpers.tpl"]
    assert "port: 8080" in TEMPLATES["network.yaml"]
    assert set(re.findall(r"path: (/\w+), port", TEXT)) == {"/healthz", "/readyz"}
    assert unknown_figures(TEXT) == set()


def test_keda_does_not_take_a_missing_figure_for_zero() -> None:
    """Its Prometheus scaler reads an empty answer as 0 unless told otherwise, and `fallback` never comes into play."""
    assert re.search(
        r'metadata:\n\s+serverAddress: .*\n(\s+#.*\n)*\s+ignoreNullValues: "false"', TEMPLATES["meter.yaml"]
    )


def test_a_policy_that_names_nobody_lets_nobody_scrape() -> None:
    """To Kubernetes a rule whose `from` is empty lets everybody in: then there must be no rule."""
    text = TEMPLATES["network.yaml"]
    rule = re.search(r"{{- if \.Values\.networkPolicy\.metrics }}\n(.*?){{- else }}\n(.*?){{- end }}", text, re.DOTALL)
    assert rule is not None
    assert "from: {{- toYaml .Values.networkPolicy.metrics" in rule[1]
    assert rule[2].strip().startswith("ingress: []")


def test_pods_have_no_rights_and_no_secret_is_in_the_chart() -> None:
    helpers = TEMPLATES["_helpers.tpl"]
    for line in ("runAsNonRoot: true", "readOnlyRootFilesystem: true", "drop: [ALL]", "enableServiceLinks: false",
                 "automountServiceAccountToken: false", "allowPrivilegeEscalation: false"):  # fmt: skip
        assert line in helpers
    for name in ("DATABASE_URL", "SHARDS", "BOOTSTRAP_TOKEN"):
        assert re.search(rf"name: WINKEL_{name}\s+valueFrom:\s+secretKeyRef:", TEXT), name
    assert not any(path[-1] in {"password", "token"} for path in leaves(VALUES))


def test_every_value_is_explained_where_it_is_not_plain() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    assert sum(line.lstrip().startswith("#") for line in lines) > 30
    assert all(len(line) <= 120 for line in lines)
