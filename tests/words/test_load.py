"""Which scorers there are, and what is told when one cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from anymask.errors import DownloadError, WeightsError
from anymask.words.load import load_scorer


def test_a_scorer_that_is_not_known_is_refused() -> None:
    with pytest.raises(WeightsError, match="offline"):
        load_scorer("magic")


def test_without_weights_and_network_it_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANYMASK_MODEL_DIR", raising=False)
    with pytest.raises(DownloadError, match="efficientnet-lite2") as caught:
        load_scorer(cache_dir=tmp_path, offline=True)
    assert ".whl" in str(caught.value)
    assert "\n" not in str(caught.value)
