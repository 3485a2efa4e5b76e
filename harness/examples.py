"""Commands to copy, at the end of each verb's help; those of the empty name are for the whole."""

from __future__ import annotations

EXAMPLES = {
    "": """
  python -m harness run --grid                     the default grid, on the synthetic corpus
  python -m harness list grids                     what else there is
  python -m harness plan --grid kbp37              what would run, and how long it would take
  python -m harness leaderboard --grid kbp37       the table""",
    "run": """
  python -m harness run --grid
  python -m harness run --grid kbp37 --workers 2
  python -m harness run --grid kbp37 --encoder bilstm --size 200 --replicates 1
  python -m harness run --grid kbp37 --cell 1f0c --rerun all
  python -m harness run --corpus kbp37 --encoder mean --strategy avg-embed --size 200 --vectors glove.6B.100d.txt""",
    "plan": """
  python -m harness plan --grid kbp37
  python -m harness plan --grid my-grid.toml --encoder bilstm --rerun stale""",
    "tune": """
  python -m harness tune --grid pretraining
  python -m harness tune --grid my-grid.toml --trials 40 --tuning-sizes 100 400 --encoder bilstm
  python -m harness run --grid pretraining --tuned           afterwards""",
    "bundle": """
  python -m harness bundle kbp37 kbp37.zip
  python -m harness bundle my-grid.toml small.zip --encoder bilstm --size 50 200 --replicates 1
  python -m harness run --bundle small.zip          there, without the corpora
  python -m harness records merge /mnt/there/home   here, its records""",
    "list": """
  python -m harness list encoders
  python -m harness list strategies --check""",
    "leaderboard": """
  python -m harness leaderboard --grid kbp37
  python -m harness leaderboard --grid kbp37 --format latex --metric macro_f1_positive > table.tex""",
    "report": """
  python -m harness report --grid kbp37
  python -m harness report --grid kbp37 --out /tmp/kbp37/report.html""",
    "claims": """
  python -m harness claims --grid pretraining
  python -m harness claims --grid pretraining --claims my-claims.toml --format json""",
    "compare": """
  python -m harness compare seq-unshared stepwise --grid pretraining
  python -m harness compare pretraining vectors-200d
  python -m harness compare results/kbp37 ~/other/.harness""",
    "show": """
  python -m harness show 3fa2""",
    "records": """
  python -m harness records list --grid kbp37 --failed
  python -m harness records show 3fa2
  python -m harness records import results/kbp37
  python -m harness records merge ~/other/.harness /mnt/cluster/home
  python -m harness records export for-a-colleague --grid kbp37
  python -m harness records prune --stale --not-in-grids --dry-run""",
    "data": """
  python -m harness data list
  python -m harness data fetch kbp37
  python -m harness data check mydata
  python -m harness data check mydata --reader tacred --parameter negative_label=Other --strict
  python -m harness data show kbp37 --n 5
  python -m harness data convert kbp37 --to jsonl
  python -m harness data annotate kbp37 --stanza-dir ~/stanza_resources
  python -m harness data annotate sentences.txt.gz --conllu parses.conllu
  python -m harness data import-parses kbp37 train.conllu.gz dev.conllu.gz test.conllu.gz
  python -m harness data export-parses kbp37 --out kbp37.conllu --parses stanza
  python -m harness data convert enwiki.xml.bz2 --reader wikipedia-links --to linked-jsonl
  python -m harness data train-vectors enwiki.xml.bz2 --reader wikipedia-links --parameter mentions=0""",
    "artifacts": """
  python -m harness artifacts list --kind pretrained
  python -m harness artifacts verify
  python -m harness artifacts prune --unused-for 60 --dry-run""",
    "reconstruct": """
  python -m harness reconstruct --grid objectives --encoder bilstm --strategy seq-unshared --replicates 1
  python -m harness reconstruct --grid objectives --n 20 --no-held-out""",
    "sync": """
  python -m harness sync --grid kbp37
  python -m harness sync --grid kbp37 --mlflow-uri http://127.0.0.1:5000""",
    "ui": """
  python -m harness ui --port 5001""",
    "doctor": """
  python -m harness doctor""",
}
