"""Pushing and pulling, against a stand-in of the hub's HTTP interface on this machine."""

import json

import finished
import numpy as np
import pytest

import imitax
from imitax import cli, hub, trust
from imitax.errors import CheckpointError, ConfigError
from imitax.hub import connection

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")

import hub_server


@pytest.fixture
def server(monkeypatch, tmp_path):
    with hub_server.serving() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_TOKEN", hub_server.TOKEN)
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return finished.write(tmp_path_factory.mktemp("pushed") / "run", seeds=(0, 1))


def test_a_run_goes_there_and_comes_back(folder, server, tmp_path, capsys):
    (folder / "checkpoints").mkdir(exist_ok=True)
    (folder / "checkpoints" / "state").write_text("large")
    assert cli.dispatch(["push", str(folder), "me/mine"]) == 0
    there = server.repos["me/mine"]
    own = ["metrics.jsonl", "policy-best.safetensors", "policy.safetensors"]
    assert sorted(there) == sorted(
        ["README.md", "config.json", "summary.json", *(f"seed-{i}/{name}" for i in (0, 1) for name in own)]
    )
    assert not any(word in content for content in there.values() for word in (b"/home", b"secret", b"Linux-of"))
    assert cli.dispatch(["pull", "me/mine", "--out", str(tmp_path / "back")]) == 0
    shown = capsys.readouterr().out
    assert f"{server.url}/me/mine\n" in shown
    assert f"imitax eval {tmp_path / 'back'}" in shown
    first, back, obs = imitax.Run(folder), imitax.Run(tmp_path / "back"), np.ones(2)
    for seed in (0, 1):
        np.testing.assert_array_equal(back.policy(obs, seed=seed), first.policy(obs, seed=seed))
    assert back.summary == first.summary
    assert [p.name for p in tmp_path.iterdir()] == ["back"]
    assert not (tmp_path / "back" / ".cache").exists()


def test_a_run_of_others_is_not_ones_own(server, tmp_path, monkeypatch):
    """Whatever its config says, and whatever else lies there."""
    monkeypatch.setattr(trust, "mark", lambda folder: "the same")
    theirs = finished.write(tmp_path / "theirs", env="evil_module:Env-v0")
    hub.push(theirs, "evil/run")
    there = server.repos["evil/run"]
    there["config.json"] = json.dumps(json.loads(there["config.json"]) | {"folder_mark": "the same"}).encode()
    there |= {"evil_module.py": b"raise SystemExit", "../../escaped.json": b"{}", "policy.pkl": b"cos\nsystem\n"}
    run = hub.pull("evil/run", tmp_path / "deep" / "er")
    assert sorted(p.name for p in run.folder.iterdir()) == sorted(
        ["README.md", "config.json", "metrics.jsonl", "policy-best.safetensors", "policy.safetensors", "summary.json"]
    )
    assert not trust.is_own(run.folder, run.config)
    with pytest.raises(ConfigError, match=r"would import the module 'evil_module'.*--trust-env"):
        run.task  # noqa: B018


def test_what_is_no_run_leaves_nothing(server, tmp_path, monkeypatch):
    server.repos |= {"me/model": {"model.bin": b"x"}, "me/damaged": {"config.json": b"[1, 2]"}}
    out = tmp_path / "out"
    with pytest.raises(CheckpointError, match=r"me/model holds no run of imitax: it has no config.json"):
        hub.pull("me/model", out)
    with pytest.raises(CheckpointError, match=r"me/damaged holds no run: its config.json is damaged"):
        hub.pull("me/damaged", out)
    monkeypatch.setattr(hub, "LARGEST", 5)
    with pytest.raises(CheckpointError, match=r"me/damaged is too large: 1 files"):
        hub.pull("me/damaged", out)
    assert list(tmp_path.iterdir()) == []
    out.mkdir()
    with pytest.raises(ConfigError, match=r"out exists already: choose another --out"):
        hub.pull("me/damaged", out)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("hf_wrong", r"does not know your token: log in with `hf auth login`, or set HF_TOKEN"),
        (hub_server.READ_ONLY, r"your token may not do this with me/x: it needs the right to write"),
        ("", r"there is no token for the hub: log in"),
    ],
)
def test_tokens_that_do_not_suffice(token, message, folder, server, monkeypatch):
    monkeypatch.setattr(connection.library(), "get_token", lambda: token or None)
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ConfigError, match=message) as refused:
        hub.push(folder, "me/x")
    assert not token or token not in str(refused.value)


def test_names_and_places_that_do_not_exist(folder, server, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="has no model me/nothing, or it is private and your token does not open it"):
        hub.pull("me/nothing", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"'me/no thing' is no name of a repository; it is USER/NAME"):
        hub.push(folder, "me/no thing")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(CheckpointError, match="has not finished, so that it has no summary"):
        hub.push(tmp_path / "unfinished", "me/x")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"http://127.0.0.1:9 cannot be reached"):
        hub.pull("me/mine", tmp_path / "out")
