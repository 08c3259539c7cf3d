"""Code and commands run in processes of their own."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from processes import Client


def test_a_process_has_its_own_exit_code_output_variables_and_folder(
    client: Client, tmp_path: Path
) -> None:
    code = "import os, sys\nprint(os.environ['A'], os.getcwd(), x)\nsys.exit(3)"
    done = client.run(code, env={"A": "1", "HOME": None}, cwd=tmp_path, args={"x": [1]})
    assert (done.returncode, done.out) == (3, f"1 {tmp_path} [1]\n"), done.err
    assert "ZeroDivisionError" in client.run("1 / 0").err
    assert client.run("import os\nprint('A' in os.environ)").out == "False\n"


def test_two_processes_run_at_once_and_one_can_be_killed(client: Client) -> None:
    two = [client.start("import time\nprint('up')\ntime.sleep(30)") for _ in range(2)]
    assert two[0].pid != two[1].pid
    for process in two:
        while not process.out and not process.ended.is_set():
            time.sleep(0.01)
        process.kill()
        done = process.wait()
        assert (done.returncode, done.out) == (-9, "up\n")


def test_a_process_that_takes_too_long_is_killed(client: Client) -> None:
    with pytest.raises(TimeoutError, match="Still running after"):
        client.run("import time\ntime.sleep(30)", timeout=0.1)


def test_the_command_line_runs(client: Client) -> None:
    assert client.zoo("--version").returncode == 0
    assert client.zoo("no-such-verb").returncode == 2


def test_a_process_has_its_own_variables_of_the_hubs_client(client: Client, published: str) -> None:
    code = "print(huggingface_hub.is_offline_mode())\nhuggingface_hub.model_info('acme/vae')"
    done = client.run(code, env={"HF_HUB_OFFLINE": "1"})
    assert (done.returncode, done.out) == (1, "True\n")
    assert "OfflineModeIsEnabled" in done.err
    assert client.run(code).returncode == 0
