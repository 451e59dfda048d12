from __future__ import annotations

import sys

import pytest

from anymask.cli import environment


@pytest.fixture(autouse=True)
def no_heavy_imports(monkeypatch):
    """The report itself is what is tested, not what happens to be installed."""
    monkeypatch.setattr(environment, "PACKAGES", {"numpy": "numpy", "no-such-thing": "nothing"})


def test_report_has_what_a_ticket_needs(run):
    report = run("doctor", "--json").json
    assert report["packages"]["numpy"]
    assert report["packages"]["no-such-thing"] == "not installed"
    assert report["system"]["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert {"model", "cores", "features", "memory"} <= set(report["processor"])
    assert {"cache folder", "cache state", "vit_t"} <= set(report["weights"])


def test_plain_report_is_ascii(run):
    ended = run("doctor")
    assert (ended.code, ended.err) == (0, "")
    assert "packages:" in ended.out
    assert ended.out.isascii()


def test_a_package_that_cannot_be_imported_is_called_broken(monkeypatch):
    def fail(name: str) -> None:
        raise OSError("libfoo.so.1: cannot open shared object file")

    monkeypatch.setattr(environment, "import_module", fail)
    assert "broken: OSError: libfoo.so.1" in environment.package_state("numpy", "numpy")
    report = environment.describe()
    assert report["engines"]["torch devices"].startswith("OSError")


def test_only_harmless_variables_are_told(run, monkeypatch, tmp_path):
    monkeypatch.setenv("ANYMASK_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ANYMASK_TOKEN", "tell-nobody")
    monkeypatch.setenv("DATABASE_PASSWORD", "tell-nobody")
    ended = run("doctor", "--json")
    assert ended.json["variables"]["ANYMASK_TOKEN"] == "set"
    assert "tell-nobody" not in ended.out
    assert "DATABASE_PASSWORD" not in ended.out
    assert ended.json["weights"]["cache state"] == "not there yet, can be made"


def test_a_wrong_model_folder_does_not_stop_the_report(run, monkeypatch, tmp_path):
    monkeypatch.setenv("ANYMASK_MODEL_DIR", str(tmp_path / "nowhere"))
    ended = run("doctor", "--json")
    assert ended.code == 0
    assert "no folder" in ended.json["weights"]["model folder"]


def test_the_home_folder_is_shortened(monkeypatch, tmp_path):
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    assert environment.shorten(tmp_path / "x") == environment.shorten("~/x")
