"""The command line: exit status, one sentence for each mistake, JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ha_installer import cli

GOOD = """
why: A host loses power and its pet comes back.
policy: {limits: {hosts_down_percent: 50}}
world:
  hosts: {c1: {}, c2: {}, c3: {}}
  guests: {db: {on: c1, protection: pet, boot: volume}}
script:
  - {at: 10, do: power c1 off}
  - {at: 70, do: alarm host_down c1}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A good scenario file."""
    path = tmp_path / "loss.yaml"
    path.write_text(GOOD)
    return path


def test_simulate_tells_trace_and_checks(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", str(scenario)]) == 0
    out = capsys.readouterr().out
    assert "   10 world     c1: power off\n" in out
    assert "verdict   c1: DOWN" in out
    assert "ok    never two running copies\n" in out
    assert "\x1b[" not in out


def test_simulate_json_is_the_public_object(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", str(scenario), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"trace", "incidents", "guests", "pools", "checks"}
    assert told["guests"]["db"]["host"] != "c1"
    assert all(check["ok"] for check in told["checks"])


def test_simulate_accept_writes_the_log(
    scenario: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = scenario.with_suffix(".log")
    monkeypatch.setenv("CI", "1")
    assert cli.main(["simulate", str(scenario), "--accept"]) == 3
    assert not log.exists()
    monkeypatch.delenv("CI")
    assert cli.main(["simulate", str(scenario), "--accept"]) == 0
    assert log.read_text().splitlines()[0] == "   10 world     c1: power off"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["simulate", "no-such.yaml"], 2, "no-such.yaml cannot be read"),
        (["policy", "check", "{good}"], 2, "policy has no key 'why'"),
        (["explain", "dc", "--scenario", "{good}"], 2, "did you mean 'db'"),
        (["explain", "db"], 2, "--cloud NAME"),
        (["incidents"], 2, "--cloud NAME"),
        (["incidents", "--cloud", "no-such"], 2, "no usable cloud 'no-such'"),
        (["disarm", "--for", "2x", "--because", "y"], 2, "no duration"),
        (["maintenance", "c1"], 2, "--for TIME and --because"),
        (["drill", "--act"], 2, "--host NAME --cloud CLOUD"),
        (["drill", "--host", "c1"], 2, "both --host NAME and --cloud"),
        (["drill", "--host", "c1", "--cloud", "x"], 2, "no usable cloud 'x'"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str],
    status: int,
    says: str,
    scenario: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OS_CLOUD", raising=False)
    monkeypatch.chdir(scenario.parent)
    given = [a.format(good=scenario) for a in arguments]
    assert cli.main(given) == status
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.startswith("ha-pack: ")
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("power c1 of", "did you mean 'off'"),
        ("pwer c1 off", "unknown verb 'pwer' (did you mean 'power'?)"),
        ("power c9 off", "the host 'c9', which there is not"),
    ],
)
def test_a_bad_scenario_says_where(
    wrong: str,
    says: str,
    scenario: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scenario.write_text(GOOD.replace("power c1 off", wrong))
    assert cli.main(["simulate", str(scenario)]) == 2
    err = capsys.readouterr().err
    assert "loss: script[0]" in err
    assert says in err


def test_an_error_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["simulate", "no-such.yaml", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["error"]["kind"] == "bad_input"


@pytest.mark.parametrize("arguments", [[], ["bogus"], ["simulate"]])
def test_usage(arguments: list[str]) -> None:
    assert cli.main(arguments) == 2


@pytest.mark.parametrize("verb", sorted(cli.VERBS))
def test_every_verb_has_help(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([verb, "--help"]) == 0
    assert "usage: ha-pack" in capsys.readouterr().out


def test_simulate_loads_no_cloud_and_no_engine(scenario: Path) -> None:
    """Well under a second: it must not import what it does not need."""
    code = (
        "import sys; from ha_installer.cli import main; "
        f"main(['simulate', {str(scenario)!r}, '--json']); "
        "bad = {'openstack', 'mistral', 'sushy', 'rich', 'jinja2'}; "
        "sys.exit(','.join(bad & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_explain_a_scenario_guest(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", "--scenario", str(scenario), "db"]) == 0
    assert "if c1 died now: evacuated" in capsys.readouterr().out


def test_policy_check(capsys: pytest.CaptureFixture[str]) -> None:
    from ha_installer import files

    path = Path(files.__file__).with_name("policy.example.yaml")
    assert cli.main(["policy", "check", str(path)]) == 0
    assert "is a good policy: mode shadow" in capsys.readouterr().out


def test_the_examples_are_written_once_and_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the installed package: whoever used pip has no other."""
    top, there = Path(__file__).parents[2], tmp_path / "new"
    assert cli.main(["install", "--examples", str(there)]) == 0
    for name in ("policy", "executor", "fences", "bridge"):
        file = f"{name}.example.yaml"
        assert (there / file).read_text() == (top / file).read_text()
    for folder in ("settings", "systemd", "examples"):
        ours = {f.name for f in (top / "alarms" / folder).iterdir()}
        assert {f.name for f in (there / folder).iterdir()} == ours
    (there / "policy.example.yaml").write_text("mine")
    assert cli.main(["install", "--examples", str(there)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (there / "policy.example.yaml").read_text() == "mine"
