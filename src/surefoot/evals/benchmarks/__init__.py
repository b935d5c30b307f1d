"""The benchmarks of step scores, in one dict by the names that `surefoot eval` knows."""

from __future__ import annotations

from collections.abc import Mapping

from surefoot.evals.benchmark import Benchmark
from surefoot.evals.benchmarks.agent_process import AGENT_PROCESS_BENCH
from surefoot.evals.benchmarks.bigbench import BIGBENCH_MISTAKE
from surefoot.evals.benchmarks.meta_reasoning import MR_BEN
from surefoot.evals.benchmarks.prm800k import PRM800K
from surefoot.evals.benchmarks.prmbench import PRMBENCH
from surefoot.evals.benchmarks.processbench import PROCESSBENCH
from surefoot.evals.benchmarks.steps import STEPS
from surefoot.evals.benchmarks.tau_bench import TAU_BENCH
from surefoot.evals.benchmarks.who_and_when import WHO_AND_WHEN

BENCHMARKS: Mapping[str, Benchmark] = {
    "processbench": PROCESSBENCH,
    "prmbench": PRMBENCH,
    "mr-ben": MR_BEN,
    "bigbench-mistake": BIGBENCH_MISTAKE,
    "prm800k": PRM800K,
    "agentprocessbench": AGENT_PROCESS_BENCH,
    "who-and-when": WHO_AND_WHEN,
    "tau-bench": TAU_BENCH,
    "steps": STEPS,
}
