"""`moor` as it is typed: exit codes, JSON for scripts, help that teaches."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from modelmoor_operator.cli import main
from modelmoor_operator.cli.arguments import parser

ROOT = Path(__file__).parents[3]
EXAMPLES = ("diabetes", "digits", "iris", "rents")
COMMANDS = ("predict", "render", "run", "status", "validate")


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_valid(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An example that the schema refuses would teach an error."""
    code = main(["validate", "-f", str(ROOT / "examples" / example), "-o", "json"])

    (told,) = json.loads(capsys.readouterr().out)
    assert (code, told["name"], told["valid"], told["problems"]) == (0, example, True, [])


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_renders(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    """YAML and JSON hold the same objects, none with an owner that does not exist yet."""
    assert main(["render", "-f", str(ROOT / "examples" / example)]) == 0
    documents = list(yaml.safe_load_all(capsys.readouterr().out))
    assert main(["render", "-f", str(ROOT / "examples" / example), "-o", "json"]) == 0

    assert json.loads(capsys.readouterr().out)["items"] == documents
    assert {"Deployment", "Service"} <= {item["kind"] for item in documents}
    assert not any("ownerReferences" in item["metadata"] for item in documents)


def test_namespace_and_image_reach_every_object(capsys: pytest.CaptureFixture[str]) -> None:
    """-n is for manifests that name no namespace; --image is what the pods run."""
    arguments = ["-f", str(ROOT / "examples" / "iris"), "-n", "shop", "--image", "registry.example/serving:9"]

    main(["render", "-o", "json", *arguments])

    items = json.loads(capsys.readouterr().out)["items"]
    deployment = next(item for item in items if item["kind"] == "Deployment")
    containers = deployment["spec"]["template"]["spec"]["containers"]
    assert {item["metadata"]["namespace"] for item in items} == {"shop"}
    assert [container["image"] for container in containers] == ["registry.example/serving:9"]


def test_an_invalid_manifest_ends_with_one_and_its_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both for a person and for a script."""
    file = tmp_path / "bad.yaml"
    file.write_text((ROOT / "examples/iris/modeldeployment.yaml").read_text().replace("uri:", "url:"))

    assert main(["validate", "-f", str(file)]) == 1
    text = capsys.readouterr().out
    assert main(["validate", "-f", str(file), "-o", "json"]) == 1
    (told,) = json.loads(capsys.readouterr().out)

    assert [problem["path"] for problem in told["problems"]] == ["spec.model.uri", "spec.model.url"]
    assert "spec.model.url: no such field; did you mean uri?" in text
    assert main(["render", "-f", str(file)]) == 1
    assert "is not valid" in capsys.readouterr().err


def test_a_pod_template_that_may_not_be_is_told_with_its_hint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the operator would refuse, `moor render` refuses with the operator's own words."""
    file = tmp_path / "bad.yaml"
    overlay = "  podTemplate: {spec: {containers: [{name: model, image: other}]}}\n"
    file.write_text((ROOT / "examples/iris/modeldeployment.yaml").read_text() + overlay)

    assert main(["render", "-f", str(file)]) == 1
    assert "InvalidPodTemplate" in capsys.readouterr().err


def test_no_cluster_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a kubeconfig the next step is told, and no trace back."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    assert main(["status"]) == 1
    assert capsys.readouterr().err.startswith("moor: no cluster is configured")


def test_a_url_where_nobody_answers_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Port 9 of this machine has no listener."""
    assert main(["predict", "http://127.0.0.1:9", "--model", "iris", "-d", '{"instances": [1]}']) == 1
    assert "nobody answers at 127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_examples_that_parse(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An example in --help with an option that does not exist would be worse than none."""
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    text = capsys.readouterr().out
    examples = [re.split(r"\s{3,}|\s[|]|\s\|\|", line.strip())[0] for line in text.splitlines() if "  moor " in line]

    assert examples
    for example in examples:
        words = example.replace('\'{"instances":', "{} ").split(" {} ")[0].split()
        words += ["{}"] if words[-1] == "-d" else []
        assert parser().parse_args(words[1:]).command


def test_the_command_line_starts_without_kubernetes_or_a_framework() -> None:
    """`moor --help` answers at once: heavy imports wait for the command that needs them."""
    code = "import sys, modelmoor_operator.cli.arguments as a; a.parser(); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"kubernetes", "modelmoor_server", "tensorflow", "sklearn"} & set(modules)
