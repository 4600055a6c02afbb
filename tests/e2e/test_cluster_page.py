"""The recipes of docs/cluster.md, run as they stand there: a job of the Slurm array, the jobs of the GitHub matrix."""

import json
import re

import pytest
import yaml
from conftest import ROOT, bench
from test_ci import project, shell  # noqa: F401  (a fixture)

pytestmark = pytest.mark.long

PAGE = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def steps(job, **matrix):
    """The shell steps, with what the runner puts in place of its expressions."""
    found = []
    for step in yaml.safe_load(blocks("yaml")[0])["jobs"][job]["steps"]:
        given = {
            name: value.replace("${{ matrix.shard }}", str(matrix["shard"]))
            for name, value in step.get("env", {}).items()
        }
        found += [
            *(f"export {name}={value}" for name, value in given.items()),
            *([step["run"]] if "run" in step else []),
        ]
    return found


@pytest.fixture(scope="module")
def parts(project):  # noqa: F811
    """The first shard as a job of the array, the second as one of the matrix."""
    script = project / "shard.sh"
    script.write_text(blocks("sh")[0])
    told = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_CPUS_PER_TASK": "1"}
    done = shell(project, ["sh shard.sh"], SLURM_TMPDIR=str(project / "cache"), **told)
    assert done.returncode == 0, done.stderr
    assert "Shard 1/3 of the run" in done.stdout
    jobs = yaml.safe_load(blocks("yaml")[0])["jobs"]
    assert jobs["shard"]["strategy"]["matrix"]["shard"] == [1, 2, 3]
    done = shell(project, steps("shard", shard=2), GITHUB_ACTIONS="true")
    assert done.returncode == 0, done.stderr
    assert "Shard 2/3 of the run" in done.stdout
    with pytest.MonkeyPatch.context() as patch:  # as the job before, in this process, which spares its imports
        patch.chdir(project)
        done = bench(["--config", "seatrial.yaml", "--shard", "3/3", "--out", "parts/3"])
    assert done.returncode == 0, done.stderr
    return project / "parts"


def test_the_recipes_make_one_run(project, parts):  # noqa: F811
    assert sorted(path.name for path in parts.iterdir()) == ["1", "2", "3"]
    done = shell(project, steps("merge"), GITHUB_ACTIONS="true")
    assert done.returncode in (0, 1), done.stderr
    summary = json.loads((project / "runs/model/summary.json").read_text())
    assert (summary["status"], len(summary["targets"][1]["conditions"])) == ("complete", 6)
    assert f"Verdict: {summary['gate']['verdict']}" in done.stdout


def test_the_array_is_merged_once_all_of_it_has_ended_well(project, parts):  # noqa: F811
    script = project / "bin/sbatch"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {project}/queued\necho 77\n')
    script.chmod(0o755)
    assert shell(project, blocks("sh")[1].splitlines()).returncode == 0
    first, second = (project / "queued").read_text().splitlines()
    assert first == "--parsable shard.sh"
    assert second == "--dependency=afterok:77 --constraint=icelake --wrap seatrial merge parts/* --out runs/m"
