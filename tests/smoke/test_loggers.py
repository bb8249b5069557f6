"""W&B, trackio and TensorBoard mirror what the run folder holds."""

import contextlib
import gzip
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.messages import lines_naming
from tests.smoke.conftest import TOY, TRAINED
from tests.smoke.test_bad_input import assert_refused
from tests.smoke.wandb_server import serving

RUN = (*TRAINED, *TOY, "trainer.max_epochs=4", "trainer.check_val_every_n_epoch=2")
CUT = (*RUN, "trainer.checkpoint_seconds=0")


def values(outcome) -> dict[tuple[str, str], float]:
    return {(row["subset"], row["metric"]): row["value"] for row in outcome.rows()}


@pytest.fixture
def at_epoch(monkeypatch):
    """Return ``at_epoch(epoch, act)``: a context in which a training does that before an epoch."""
    from grn_exp.models.edges.infosem import InfoSEMBC

    @contextlib.contextmanager
    def call(epoch, act):
        begin_epoch = InfoSEMBC.begin_epoch

        def begin(self, current):
            if current == epoch:
                act()
            begin_epoch(self, current)

        with monkeypatch.context() as patch:
            patch.setattr(InfoSEMBC, "begin_epoch", begin)
            yield

    return call


def power_cut():
    raise RuntimeError("power cut")


# -- W&B, offline ----------------------------------------------------------------------------


def offline_folders(outputs) -> list[Path]:
    return sorted(outputs.glob("*/*/*/*/wandb/offline-run-*"))


def inspect(folder: Path, *options: str) -> list[dict]:
    (path,) = folder.glob("*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", *options, "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    try:
        return [json.loads(done.stdout)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in done.stdout.splitlines()]


def test_wandb_without_a_key_goes_offline(command):
    import wandb

    outcome = command(*RUN, "logger=wandb", "logger.tags=[mine]")
    assert outcome.code == 0, outcome.err
    assert "wandb sync" in outcome.err
    assert wandb.run is None
    (folder,) = offline_folders(outcome.outputs)
    (summary,) = inspect(folder, "--summary")
    assert summary["exit_code"] == 0
    found, expected = summary["summary"], values(outcome)
    for subset, metric in expected:
        assert found[f"{subset}/{metric}"] == pytest.approx(expected[subset, metric])
    assert found["test_unseen/prevalence"] == outcome.rows()[-1]["prevalence"]
    assert found["seconds/fit"] > 0
    assert summary["config"]["model"]["hidden_width"] == 8
    assert summary["config"]["label"] == "toy/InfoSEM-BC"
    facts = json.loads((outcome.folder / "provenance.json").read_text())
    assert summary["config"]["provenance"]["git_commit"] == facts["git_commit"]
    records = json.dumps(inspect(folder))
    for word in ("train/loss", "val/ap", '"mine"', '"infosem_bc"', "proc.memory.rssMB"):
        assert word in records
    tables = {path.name.split("_table")[0]: path for path in folder.rglob("*.table.json")}
    assert {"val", "test_seen", "test_unseen"} <= tables.keys()
    (edges,) = (json.loads(p.read_text()) for n, p in tables.items() if n.startswith("top_edges"))
    network = gzip.decompress((outcome.folder / "network.csv.gz").read_bytes()).decode().split()
    assert edges["columns"] == ["source", "target", "score"]
    assert len(edges["data"]) == 100
    assert [str(cell) for cell in edges["data"][0][:2]] == network[1].split(",")[:2]


def test_wandb_hears_of_a_failure(command, monkeypatch):
    import wandb

    from grn_exp.models.edges.random import Random

    with monkeypatch.context() as patch:
        patch.setattr(Random, "prediction", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            command("model=random", *TOY, "logger=wandb")
    assert wandb.run is None
    outputs = command("--cfg", "job").outputs
    (summary,) = inspect(*offline_folders(outputs), "--summary")
    assert summary["exit_code"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["shared", "run", "dryrun"])
def test_modes_that_need_a_key_and_older_names_go_offline_without_one(command, monkeypatch, mode):
    monkeypatch.setenv("WANDB_MODE", mode)
    outcome = command("model=random", *TOY, "logger=wandb")
    assert outcome.code == 0, outcome.err
    assert "wandb sync" in outcome.err
    assert offline_folders(outcome.outputs)


def test_wandb_switched_off(command, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    outcome = command("model=random", *TOY, "logger=wandb")
    assert outcome.code == 0, outcome.err
    assert not list(outcome.outputs.rglob("*.wandb"))


def test_jobs_of_a_sweep_and_members_of_an_ensemble_are_runs_of_their_own(command):
    outcome = command("-m", *RUN, "logger=wandb", "ensemble=1,2")
    assert outcome.code == 0, outcome.err
    summaries = [inspect(f, "--summary")[0] for f in offline_folders(outcome.outputs)]
    assert [summary["exit_code"] for summary in summaries] == [0, 0, 0]
    seen = sorted((s["config"]["ensemble"], s["config"]["seed"]) for s in summaries)
    assert seen == [(1, 0), (1, 1), (2, 0)]  # seed 0 is the first job's
    ensemble = next(s for s in summaries if s["config"]["ensemble"] == 2)
    folder = next(f for f in outcome.folders if "ensemble: 2" in (f / "config.yaml").read_text())
    rows = json.loads((folder / "metrics.json").read_text())["rows"]
    (ap,) = (r["value"] for r in rows if (r["subset"], r["metric"]) == ("test_unseen", "ap"))
    assert ensemble["summary"]["test_unseen/ap"] == pytest.approx(ap)


# -- W&B, online -----------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch):
    """Return a stand-in server that W&B believes in."""
    import wandb

    wandb.teardown()  # the client knows the address of the test before
    with serving() as found:
        monkeypatch.setenv("WANDB_BASE_URL", found.url)
        monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
        yield found
        found.status = 200
        wandb.teardown()


ONLINE = ("logger=wandb", "logger.patience=3")


def only_run(server) -> str:
    (run,) = server.runs
    return run


def epochs(server) -> list[int]:
    """Return the epochs of the only run's rows, which its curves are drawn against."""
    rows = server.history(only_run(server))
    return [row["epoch"] for row in rows if "train/loss" in row]


def sync(line: str) -> None:
    """Do what a run's last line says."""
    words = shlex.split(line.partition("wandb sync ")[2])
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Finished syncing" in done.stderr, done.stderr


def sync_line(outcome) -> str:
    (line,) = (line for line in outcome.lines if "wandb sync" in line)
    return line


def test_wandb_online(command, server):
    outcome = command(*RUN, *ONLINE)
    assert outcome.code == 0, outcome.err
    assert len(outcome.lines) == 3, outcome.err  # the last epoch, the end, the address
    assert outcome.lines[-1].endswith(f"runs/runs-{outcome.folder.name}")  # the address
    run = server.runs[only_run(server)]
    assert (run["groupName"], run["jobType"]) == ("runs", "infosem_bc")
    assert run["tags"] == ["toy", "infosem_bc"]
    assert only_run(server) == f"runs-{outcome.folder.name}"
    assert epochs(server) == [0, 1, 2, 3]
    summary = server.summary(only_run(server))
    assert summary["test_unseen/ap"] == pytest.approx(values(outcome)["test_unseen", "ap"])
    assert summary["pr_curve/test_unseen_table"]["nrows"] > 1
    assert any("pr_curve" in file for file in server.files)
    assert any("proc.memory" in row for row in run["wandb-events.jsonl"])


def test_a_cut_off_run_goes_on_in_the_same_wandb_run(command, server, at_epoch):
    with at_epoch(3, power_cut), pytest.raises(RuntimeError, match="power cut"):
        command(*CUT, *ONLINE)
    assert epochs(server) == [0, 1, 2]
    resumed = command(*CUT, *ONLINE)
    assert resumed.was_resumed
    assert epochs(server) == [0, 1, 2, 3]
    losses = [row["train/loss"] for row in server.history(only_run(server))[:4]]
    again = command(*CUT, *ONLINE, "force=true")
    assert again.code == 0, again.err
    assert epochs(server) == [0, 1, 2, 3]
    assert [r["train/loss"] for r in server.history(only_run(server))[:4]] == losses


def test_offline_folders_of_a_cut_off_run_sync_into_one(command, server, at_epoch):
    offline = (*CUT, "logger=wandb", "logger.mode=offline")
    with at_epoch(3, power_cut), pytest.raises(RuntimeError, match="power cut"):
        command(*offline)
    resumed = command(*offline)
    assert resumed.was_resumed
    for folder in offline_folders(resumed.outputs):
        sync(f"wandb sync {folder}")
    assert epochs(server) == [0, 1, 2, 3]
    expected = values(resumed)["test_unseen", "ap"]
    assert server.summary(only_run(server))["test_unseen/ap"] == pytest.approx(expected)


def refuse(server):
    server.status = 401


def fall_silent(server):
    server.status = 503


@pytest.mark.parametrize("fault", [refuse, fall_silent])
def test_a_server_lost_in_the_middle_costs_one_line(command, server, at_epoch, fault):
    with at_epoch(2, lambda: fault(server)):
        outcome = command(*RUN, *ONLINE)
    assert outcome.code == 0, outcome.err
    assert outcome.status()["state"] == "finished"
    line = sync_line(outcome)
    assert "W&B" in line
    assert outcome.err.count("W&B") == 1
    server.status = 200
    sync(line)
    assert epochs(server) == [0, 1, 2, 3]
    expected = values(outcome)["test_unseen", "ap"]
    assert server.summary(only_run(server))["test_unseen/ap"] == pytest.approx(expected)


def test_a_key_that_is_refused_costs_one_line_and_other_jobs_go_on(command, server):
    refuse(server)
    outcome = command("-m", "model=random,degree", *TOY, *ONLINE)
    assert outcome.code == 0, outcome.err
    assert len(outcome.folders) == 2
    assert len(lines_naming(outcome.err, "W&B", "WANDB_MODE=offline")) == 2
    server.status = 200
    for folder in offline_folders(outcome.outputs):
        sync(f"wandb sync {folder}")
    assert sorted(run["jobType"] for run in server.runs.values()) == ["degree", "random"]


def test_patience_is_a_number_of_seconds(command):
    outcome = command("model=random", *TOY, "logger=wandb", "logger.patience=0")
    assert outcome.code == 2
    assert "logger.patience=0" in outcome.err
    assert not outcome.folders


WRONG = {
    "WANDB_MODE": ["foo", ""],
    "WANDB_BASE_URL": ["garbage", "http://", "https://wandb.ai"],
    "WANDB_PROJECT": ["a/b"],
    "WANDB_ENTITY": ["my team", "a/b"],
    "WANDB_RUN_ID": ["a/b"],
    "WANDB_RESUME": ["maybe"],
    "WANDB_FORK_FROM": ["x"],
    "WANDB_TAGS": ["", "x" * 65],
    "WANDB_SILENT": ["maybe"],
    "WANDB_CONSOLE": ["foo"],
    "WANDB_INIT_TIMEOUT": ["abc"],
    "WANDB_HTTP_TIMEOUT": ["abc"],
    "WANDB_DISABLE_CODE": ["maybe"],
    "WANDB_DIR": ["/dev/null", "/dev/null/below"],
    "WANDB_CACHE_DIR": ["/dev/null"],
    "WANDB_DATA_DIR": ["/dev/null"],
    "WANDB_IDENTITY_TOKEN_FILE": ["/dev/null/token"],
    "WANDB_CONFIG_DIR": ["~nobody-of-this-name/x"],
}


@pytest.fixture
def fresh_wandb():
    """Let W&B read the environment, which it does once a process."""
    import wandb

    wandb.teardown()
    yield
    wandb.teardown()


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_what_the_environment_says_of_wandb_is_checked_first(command, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    outcome = command("model=random", *TOY, "logger=wandb")
    assert_refused(outcome, f"{name}={value}: ")


def test_wandbs_environment_does_not_concern_who_does_not_use_it(command, monkeypatch):
    for name, values in WRONG.items():
        monkeypatch.setenv(name, values[0])
    assert command("model=random", *TOY).code == 0


@pytest.mark.parametrize("key", ["short", f" {'x' * 40}"])
def test_a_key_that_can_be_none_is_refused_and_not_shown(command, monkeypatch, fresh_wandb, key):
    monkeypatch.setenv("WANDB_API_KEY", key)
    outcome = command("model=random", *TOY, "logger=wandb")
    assert_refused(outcome, "WANDB_API_KEY")
    assert key not in outcome.err


@pytest.mark.parametrize("option", ["project=a/b", "entity=a b", f"tags=[{'x' * 65}]"])
def test_options_of_wandb_are_checked_first(command, option):
    outcome = command("model=random", *TOY, "logger=wandb", f"logger.{option}")
    assert_refused(outcome, f"logger.{option.partition('=')[0]}=")


def test_options_go_before_the_environment_and_that_before_our_defaults(
    command, server, monkeypatch, tmp_path
):
    given = {"PROJECT": "p", "RUN_GROUP": "g", "JOB_TYPE": "j", "TAGS": "a,b", "NOTES": "n"}
    unused = {"NAME": "x", "RUN_ID": "y", "RESUME": "must"}
    for name, value in (given | unused | {"DIR": str(tmp_path / "mine")}).items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    outcome = command("model=random", *TOY, *ONLINE)
    assert outcome.code == 0, outcome.err
    assert lines_naming(outcome.err, "WANDB_NAME", "WANDB_RUN_ID", "WANDB_RESUME")
    assert only_run(server) == f"runs-{outcome.folder.name}"
    run = server.runs[only_run(server)]
    found = [run[key] for key in ("project", "groupName", "jobType", "tags", "notes")]
    assert found == ["p", "g", "j", ["toy", "random", "a", "b"], "n"]
    assert list((tmp_path / "mine").rglob("*.wandb"))
    assert not list(outcome.outputs.rglob("*.wandb"))

    command("model=random", *TOY, *ONLINE, "logger.project=q", "logger.tags=[c]", "force=true")
    run = server.runs[only_run(server)]
    assert (run["project"], run["tags"]) == ("q", ["toy", "random", "c"])

    monkeypatch.setenv("WANDB_MODE", "disabled")
    command("model=degree", *TOY, *ONLINE, "logger.mode=online")
    assert ["toy", "degree", "a", "b"] in [run["tags"] for run in server.runs.values()]


def test_what_trackio_cannot_use_is_refused(command, monkeypatch, tmp_path):
    pytest.importorskip("trackio")
    run = ("model=random", *TOY, "logger=trackio")
    for name in ("a/b", ""):
        assert_refused(command(*run, f"logger.project={name}"), f"logger.project={name}: ")
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no token"))
    for name, value in (("DIR", tmp_path / "file"), ("SERVER_URL", "nonsense"), ("SPACE_ID", "x")):
        with monkeypatch.context() as patch:
            patch.setenv(f"TRACKIO_{name}", str(value))
            assert_refused(command(*run), f"TRACKIO_{name}={value}: ")


# -- trackio and TensorBoard -----------------------------------------------------------------

TRACKIO = """
import json, sys
from trackio.sqlite_storage import SQLiteStorage
found = []
for run in SQLiteStorage.get_run_records("grn_exp"):
    logs = SQLiteStorage.get_logs("grn_exp", run["name"], run_id=run["id"])
    config = SQLiteStorage.get_run_config("grn_exp", run["name"], run_id=run["id"])
    found.append({"name": run["name"], "logs": logs, "config": config})
sys.stdout.write(json.dumps(found, default=str))
"""


@pytest.fixture
def trackio_runs(tmp_path, start, monkeypatch):
    """Return ``trackio_runs(*overrides)``: a run in a process of its own, then all in trackio."""
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def call(*overrides):
        process = start(*overrides, "logger=trackio")
        out, err = process.communicate()
        assert process.returncode == 0, err
        read = [sys.executable, "-c", TRACKIO]
        done = subprocess.run(read, capture_output=True, text=True, check=True)
        return json.loads(done.stdout), out, err

    return call


def test_trackio_keeps_one_run_per_key(trackio_runs, outputs):
    """A process of its own each time: trackio fixes its folder when it is imported."""
    runs, out, err = trackio_runs(*RUN, "ensemble=2")
    assert "trackio show --project grn_exp" in err
    assert "Trackio" not in out
    assert len(runs) == 3  # the members and their mean
    (member,) = (r for r in runs if (r["config"]["seed"], r["config"]["ensemble"]) == (1, 1))
    curve = [(log["step"], log["train/loss"]) for log in member["logs"] if "train/loss" in log]
    assert [step for step, _ in curve] == [0, 1, 2, 3]
    (final,) = (log for log in member["logs"] if "test_unseen/ap" in log)
    key = member["config"]["run_key"]
    (folder,) = outputs.glob(f"*/*/*/{key}")
    rows = json.loads((folder / "metrics.json").read_text())["rows"]
    expected = {f"{row['subset']}/{row['metric']}": row["value"] for row in rows}
    assert final["test_unseen/ap"] == pytest.approx(expected["test_unseen/ap"])
    assert final["top_edges"]["_type"] == "trackio.table"
    assert final["pr_curves"]["_type"] == "trackio.image"
    assert member["config"]["_Group"] == "runs"

    again, _, _ = trackio_runs(*RUN, "seed=1", "force=true")
    assert sorted(run["name"] for run in again) == sorted(run["name"] for run in runs)
    (repeated,) = (run for run in again if run["name"] == member["name"])
    assert len(repeated["logs"]) == len(member["logs"])


@pytest.mark.parametrize("name", ["trackio", "tensorboard"])
def test_a_logger_whose_package_is_missing(command, lack, name):
    lack(name)
    outcome = command("model=random", *TOY, f"logger={name}")
    assert_refused(outcome, f"logger={name}", f"pip install 'grn_exp[{name}]'")


def test_tensorboard_writes_each_epoch_once(command, at_epoch):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with at_epoch(3, power_cut), pytest.raises(RuntimeError, match="power cut"):
        command(*CUT, "logger=tensorboard")
    outcome = command(*CUT, "logger=tensorboard")
    assert outcome.code == 0, outcome.err
    events = EventAccumulator(str(outcome.folder / "tensorboard")).Reload()
    assert {"train/loss", "val/ap", "test_unseen/ap"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("train/loss")] == [0, 1, 2, 3]


# -- afterwards ------------------------------------------------------------------------------


def publish(outputs, monkeypatch, *options) -> None:
    from grn_exp.report import __main__ as report

    monkeypatch.setattr(sys, "argv", ["report", "publish", str(outputs), *options])
    report.main()


def test_finished_runs_are_published_without_training(command, monkeypatch, server):
    outcome = command(*RUN)
    before = (outcome.folder / "metrics.json").stat().st_mtime_ns
    for _ in range(2):  # again ends in the same
        publish(outcome.outputs, monkeypatch, "--to", "wandb", "--project", "mine")
        assert epochs(server) == [0, 1, 2, 3]
    expected = values(outcome)["test_unseen", "ap"]
    assert server.summary(only_run(server))["test_unseen/ap"] == pytest.approx(expected)
    name = server.runs[only_run(server)]["displayName"]
    assert name == f"InfoSEM-BC, toy, split 0, seed 0 ({outcome.folder.name[:6]})"
    assert (outcome.folder / "metrics.json").stat().st_mtime_ns == before


def test_publishing_reads_the_environment_first(command, monkeypatch, capfd):
    outcome = command("model=random", *TOY)
    monkeypatch.setenv("WANDB_MODE", "foo")
    with pytest.raises(SystemExit) as left:
        publish(outcome.outputs, monkeypatch, "--to", "wandb")
    assert left.value.code == 2
    assert lines_naming(capfd.readouterr().err, "WANDB_MODE=foo")


def test_tensorboard_is_published_to(command, monkeypatch, capfd):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    outcome = command(*RUN)
    for _ in range(2):
        publish(outcome.outputs, monkeypatch, "--to", "tensorboard")
    events = EventAccumulator(str(outcome.folder / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [0, 1, 2, 3]
    with pytest.raises(SystemExit):
        publish(outcome.outputs, monkeypatch, "--to", "tensorboard", "--entity", "me")
    assert "--entity me" in capfd.readouterr().err


# -- none ------------------------------------------------------------------------------------


def test_a_mirror_that_breaks_at_the_end_does_not_take_the_run_along(command, monkeypatch):
    from grn_exp.engine.loggers import TensorBoardMirror

    monkeypatch.setattr(TensorBoardMirror, "close", lambda self, *args, **kwargs: 1 / 0)
    outcome = command("model=random", "logger=tensorboard", *TOY)
    assert outcome.code == 0
    assert "ZeroDivisionError" in outcome.err or "division by zero" in outcome.err
    assert outcome.status()["state"] == "finished"


def test_files_alone_cost_no_import(outputs):
    program = (
        "import sys; from grn_exp import cli; cli.main(); "
        "sys.exit(bool({'wandb', 'trackio', 'tensorboard'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, f"paths.outputs={outputs}", "model=random", *TOY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
