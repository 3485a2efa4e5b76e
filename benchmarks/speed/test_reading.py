"""Reading a corpus of TACRED's size: time and memory against `json.load` of the same file, each in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

MENTIONS, TOKENS, WORDS = 100_000, 36, 50_000

READ = """
import resource, sys, time
from pathlib import Path
from benchmarks.corpora.tacred import Tacred
import json
file = Path(sys.argv[1])
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
{work}
seconds = time.perf_counter() - start
print(len(found), seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
OURS = READ.format(work="found = Tacred().read(file).mentions")
PLAIN = READ.format(work="found = json.load(file.open(encoding='utf-8'))")
SCANNED = READ.format(work="from harness.text_files import json_list\nfound = range(sum(1 for _ in json_list(file)))")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100,000 examples with parses, in one line as TACRED has them: words of Zipfian frequency, spans anywhere."""
    drawn = np.random.default_rng(0)
    words = [f"word{rank}" for rank in range(WORDS)]
    with (path := tmp_path_factory.mktemp("tacred") / "train.json").open("w", encoding="utf-8") as out:
        for number in range(MENTIONS):
            ranks = np.minimum(drawn.zipf(1.3, TOKENS) - 1, WORDS - 1)
            first, second = sorted(drawn.choice(TOKENS // 2, 2, replace=False) * 2)
            example = {
                "id": f"{number:020x}",
                "relation": f"relation{number % 42}" if number % 5 == 0 else "no_relation",
                "token": [words[rank] for rank in ranks],
                "subj_start": int(first), "subj_end": int(first), "obj_start": int(second), "obj_end": int(second) + 1,
                "subj_type": "PERSON", "obj_type": "ORGANIZATION",
                "stanford_pos": ["NN"] * TOKENS, "stanford_ner": ["O"] * TOKENS,
                "stanford_head": [0, *range(1, TOKENS)], "stanford_deprel": ["dep"] * TOKENS,
            }  # fmt: skip
            out.write(("[" if number == 0 else ", ") + json.dumps(example))
        out.write("]")
    return path


def test_reading_a_hundred_thousand_mentions(benchmark: BenchmarkFixture, file: Path) -> None:
    measured: dict[str, list[tuple[float, float]]] = {"ours": [], "scanned": [], "plain": []}

    def take_turns() -> None:
        for name, program in (("ours", OURS), ("scanned", SCANNED), ("plain", PLAIN)):
            ran = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True)
            count, seconds, megabytes = map(float, ran.stdout.split())
            assert count == MENTIONS
            measured[name].append((seconds, megabytes))

    benchmark.pedantic(take_turns, rounds=3)  # type: ignore[no-untyped-call]
    best = {name: tuple(min(values) for values in zip(*runs, strict=True)) for name, runs in measured.items()}
    for name, (seconds, megabytes) in best.items():
        benchmark.extra_info[f"{name}: seconds"] = round(seconds, 2)
        benchmark.extra_info[f"{name}: MB more"] = round(megabytes)
    benchmark.extra_info["file: MB"] = round(file.stat().st_size / 1e6)
    benchmark.extra_info["time against json.load"] = round(best["ours"][0] / best["plain"][0], 2)
    benchmark.extra_info["memory against json.load"] = round(best["ours"][1] / best["plain"][1], 2)
    print(f"\n{benchmark.extra_info}")
    assert best["ours"][1] < best["plain"][1], "reading mentions takes less memory than the JSON that they come from"
    assert best["scanned"][1] < 0.1 * best["plain"][1], "walking over the list holds a chunk of it, not the list"
