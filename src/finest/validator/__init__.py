"""The validator: checks whether a dataset is real and good, and scores it.

An audit (audit.py) runs its cheap checks first and stays within a budget (budget.py):

- subject.py and seed.py: the task, its commitment, and random draws that anybody can repeat
- admission.py: lease, commitment, manifest, hashes and source paths
- soundness.py: rows are recomputed from their WARC records; sprt.py ends the sample early
- completeness.py: random windows of the WARCs are refined again; every kept page must be a row or a duplicate of one
  (witness.py)
- uniqueness.py: duplicates within the dataset and of earlier submissions (fingerprints.py)
- extractive.py: rows of an unknown recipe must be ordered parts of the page's visible text
- quality/ and verdict_quality.py: bits per byte of held-out text, compared with the reference recipe and raw text

score.py turns the findings into a score, and evidence.py signs the record of the verdict; replay.py repeats it.
loop/ runs all this as a service and sets weights, update/ keeps the validator's own release up to date.
"""
