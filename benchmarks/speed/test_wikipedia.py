"""Reading a dump of Wikipedia: speed and memory against plain iteration over the same XML, each in its own process."""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

ENWIK8 = "wiki_enwik8/enwik8.xz"
BYTES = 20_000_000

READ = """
import resource, sys, time
from pathlib import Path
from xml.etree import ElementTree
from benchmarks.corpora._dumps import Dump
from benchmarks.corpora._tokens import tokenise
from benchmarks.corpora.wikipedia_links import WikipediaLinks
from harness.contracts import TextNotes
tokenise("NLTK is imported")
file = Path(sys.argv[1])
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
{work}
seconds = time.perf_counter() - start
print(found, seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
OURS = READ.format(work="found = sum(1 for _ in WikipediaLinks().text(file, TextNotes()))")
PAGES = READ.format(work="found = sum(1 for _ in Dump(file).pages())")
PLAIN = READ.format(
    work="""
found = 0
for _, element in ElementTree.iterparse(file):
    if element.tag.endswith("}page"):
        found += 1
        element.clear()
"""
)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 20 MB of enwik8 up to its last whole page, closed."""
    for folder in os.environ.get("HARNESS_DATA", "").split(os.pathsep):
        if (packed := Path(folder) / ENWIK8).is_file():
            with lzma.open(packed) as stream:
                pages, _, _ = stream.read(BYTES).rpartition(b"</page>")
            path = tmp_path_factory.mktemp("dump") / "dump.xml"
            path.write_bytes(pages + b"</page></mediawiki>")
            return path
    pytest.skip(f"no folder of HARNESS_DATA has {ENWIK8}")


def test_reading_twenty_megabytes(benchmark: BenchmarkFixture, dump: Path) -> None:
    measured: dict[str, list[tuple[float, float, float]]] = {"ours": [], "pages": [], "plain": []}

    def take_turns() -> None:
        for name, program in (("ours", OURS), ("pages", PAGES), ("plain", PLAIN)):
            ran = subprocess.run([sys.executable, "-c", program, str(dump)], capture_output=True, text=True, check=True)
            count, seconds, megabytes = map(float, ran.stdout.split())
            measured[name].append((count, seconds, megabytes))

    benchmark.pedantic(take_turns, rounds=3)  # type: ignore[no-untyped-call]
    best = {name: tuple(min(values) for values in zip(*runs, strict=True)) for name, runs in measured.items()}
    size = dump.stat().st_size / 1e6
    for name, (_, seconds, megabytes) in best.items():
        benchmark.extra_info[f"{name}: MB of XML a second"] = round(size / seconds, 2)
        benchmark.extra_info[f"{name}: MB more"] = round(megabytes)
    benchmark.extra_info["sentences"] = best["ours"][0]
    benchmark.extra_info["time against plain iteration"] = round(best["ours"][1] / best["plain"][1], 1)
    print(f"\n{benchmark.extra_info}")
    assert best["pages"][0] == best["plain"][0] > 0, "both walk over the same pages"
    assert best["pages"][1] < 3 * best["plain"][1], "walking over the pages costs about what the XML costs"
    assert best["ours"][2] < 60, "what is held is a page and the redirects, not the dump"
