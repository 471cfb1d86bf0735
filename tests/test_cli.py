"""The command `fastbp`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import fastbp as bp
import pytest
from fastbp.cli.main import main
from mnist_files import write_mnist


def test_info_names_version_instruction_set_and_threads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    output = capsys.readouterr().out
    assert bp.__version__ in output
    assert bp._core.isa() in output


def test_train_digits_prints_accuracy_time_and_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "digits", "--epochs", "1", "--quiet"]) == 0
    first, accuracy, time, weights = capsys.readouterr().out.splitlines()
    assert first == "digits: 64-96-10, 7190 images to train on, 359 for the test"
    assert re.fullmatch(r"test accuracy  \d+\.\d\d %  \(\d+ of 359 images\)", accuracy)
    assert re.fullmatch(r"time           \d+\.\d\d s  \([\d,]+ rows/s\)", time)
    assert re.fullmatch(r"weights        SHA-256 [0-9a-f]{64}", weights)


def test_train_digits_shows_progress(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "digits", "--epochs", "2"]) == 0
    captured = capsys.readouterr()
    assert "loss" in captured.out + captured.err


def test_seed_and_backend_are_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    hashes = []
    for options in (["--seed", "1"], ["--seed", "1", "--backend", "reference"], ["--seed", "2"]):
        assert main(["train", "digits", "--epochs", "1", "--quiet", *options]) == 0
        hashes.append(capsys.readouterr().out.split()[-1])
    assert hashes[0] == hashes[1] != hashes[2]


def test_threads_are_obeyed() -> None:
    try:
        assert main(["train", "digits", "--epochs", "1", "--quiet", "--threads", "3"]) == 0
        assert bp.get_num_threads() == 3
    finally:
        bp.set_num_threads(0)


def test_train_mnist_reads_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mnist(tmp_path, rows=(400, 100))
    assert main(["train", "mnist", "--data", str(tmp_path), "--quiet"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("mnist: 784-100-10, 400 images to train on, 100 for the test\n")
    assert "100.00 %" in output


def test_train_mnist_without_its_files_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "mnist", "--data", str(tmp_path)]) == 1
    assert "lacks train-images-idx3-ubyte" in capsys.readouterr().err


@pytest.mark.skipif("FASTBP_DATA" not in os.environ, reason="FASTBP_DATA names no folder with MNIST's four files")
def test_train_mnist_recognises_975_of_1000(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "mnist", "--data", os.environ["FASTBP_DATA"], "--quiet"]) == 0
    (accuracy,) = re.findall(r"test accuracy  (\d+\.\d\d) %", capsys.readouterr().out)
    assert float(accuracy) >= 97.5


@pytest.mark.parametrize(
    "arguments", [[], ["train"], ["train", "cats"], ["train", "digits", "--epochs", "0"], ["train", "mnist"]]
)
def test_wrong_commands_end_with_status_2_and_a_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert "usage: fastbp" in capsys.readouterr().err


def test_python_m_fastbp_is_the_same_command() -> None:
    command = [sys.executable, "-m", "fastbp", "info"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert bp.__version__ in result.stdout


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (bp.NonFiniteError(2, 17, "dense (matmul, node 7)"), "fastbp: training stopped in epoch 2, step 17"),
        (MemoryError("cannot allocate 1e+06 MiB"), "fastbp: not enough memory: cannot allocate 1e+06 MiB"),
        (MemoryError(), "fastbp: not enough memory"),
        (ImportError("fastbp._core is not built"), "fastbp: fastbp._core is not built"),
    ],
)
def test_what_goes_wrong_is_one_line_and_status_1(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(bp.Sequential, "fit", fail)
    assert main(["train", "digits", "--quiet"]) == 1
    (printed,) = capsys.readouterr().err.splitlines()
    assert printed.startswith(line)
    assert not printed.endswith(": ")


@pytest.mark.parametrize("seed", ["-1", str(10**23), "10**23", "x"])
def test_a_seed_out_of_range_ends_with_status_2(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["train", "digits", "--seed", seed])
    assert exit.value.code == 2
    assert f"must be a whole number from 0 to 2^64 - 1, got '{seed}'" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -c 'import sys; from fastbp.cli.main import main; sys.exit(main([\"info\"]))'"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | (exec 0<&-; sleep 2)"], capture_output=True, text=True
    )
    assert result.stderr == ""
    assert result.returncode == 141
