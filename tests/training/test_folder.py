"""A run's folder belongs to one run."""

import threading

import pytest

from imitax import trust
from imitax.errors import ConfigError
from imitax.files import read_json
from imitax.training.folder import CONFIG, check_folder, claim, default_folder, locked, release


def test_of_several_that_claim_a_folder_one_gets_it(tmp_path):
    results, refused, start = [], [], threading.Barrier(8)

    def race(number):
        start.wait()
        try:
            claim(tmp_path / "run", {"number": number})
            results.append(number)
        except ConfigError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=race, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [read_json(tmp_path / "run" / CONFIG)["number"]] == results
    assert ["holds a run already" in text for text in refused] == [True] * 7
    assert [p.name for p in (tmp_path / "run").iterdir()] == [CONFIG]


def test_folders_without_a_name_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "NOW")
    first = default_folder("bc", "a/b:C-v0")
    assert first.name == "bc-a-b-C-v0-NOW"
    made = [claim(first, {}, numbered=True) for _ in range(3)]
    assert [p.name.removeprefix(first.name) for p in made] == ["", "-2", "-3"]
    assert default_folder("bc", "a/b:C-v0").name == f"{first.name}-4"


def test_overwriting_deletes_what_a_run_wrote_and_nothing_else(tmp_path):
    folder = claim(tmp_path / "run", {"number": 1})
    for name in ("policy-best.safetensors", "notes.txt"):
        (folder / name).write_text("")
    (folder / "seed-3" / "replay").mkdir(parents=True)
    claim(folder, {"number": 2}, overwrite=True)
    assert {p.name for p in folder.iterdir()} == {CONFIG, "notes.txt"}
    assert read_json(folder / CONFIG)["number"] == 2


@pytest.mark.parametrize("inside", ["", "below"])
def test_a_file_is_no_folder(inside, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="is not a folder"):
        check_folder(tmp_path / "taken" / inside, overwrite=False)


def test_a_check_makes_nothing(tmp_path):
    check_folder(tmp_path / "a" / "b", overwrite=False)
    assert not any(tmp_path.iterdir())


def test_one_process_trains_in_a_folder(tmp_path):
    with locked(tmp_path), pytest.raises(ConfigError, match="another process trains in"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_folder_is_given_back_before_the_first_record_only(tmp_path):
    folder = claim(tmp_path / "run", {})
    (folder / "metrics.jsonl").write_text("{}\n")
    release(folder)
    assert (folder / CONFIG).exists()
    (folder / "metrics.jsonl").unlink()
    release(folder)
    assert not folder.exists()


def test_copies_of_a_folder_are_known(tmp_path):
    folder = claim(tmp_path / "run", {})
    config = read_json(folder / CONFIG)
    assert trust.is_own(folder, config)
    (tmp_path / "copy").mkdir()
    assert not trust.is_own(tmp_path / "copy", config)
    folder.rename(tmp_path / "moved")
    assert trust.is_own(tmp_path / "moved", config)
    assert not trust.is_own(tmp_path / "moved", {})
