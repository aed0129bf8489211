"""The validator: is a dataset real, is it good, what is it worth.

subject.py        what is looked at: task, commitment, seed
seed.py           draws that anybody can repeat, from a block that came after the commitment
admission.py      may it be paid at all: lease, commitment, manifest, hashes, source paths
soundness.py      rows judged again from their WARC records; sprt.py ends the sample early
completeness.py   windows of the sources judged again: every kept page is there, or its duplicate is (witness.py)
uniqueness.py     duplicates within, and of earlier submissions (fingerprints.py)
extractive.py     what rows of a custom recipe must be: ordered parts of the page's visible text
quality/          bits per byte of held-out text, paired with the reference refinement and raw text
score.py          what a task is worth: one pure function of what was measured
audit.py          all of it, cheap checks first, within a budget
evidence.py       the signed record of a verdict; replay.py does it again
"""
