#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two data sets that are nobody's benchmark, from files to results: scikit-learn's digits as a NumPy array with labels, and its
# wines as a CSV with a header, columns of mixed scales, an id, a label and a missing value.
#   sh examples/own_data.sh build/gradmill [FOLDER [PYTHON]]     PYTHON: one with scikit-learn (python3; package python3-sklearn)
# Leaves data, studies, codes, scores, a contact sheet and two reports in FOLDER (own_data).
set -eu
program=$(realpath "${1:-build/gradmill}")
folder=${2:-own_data}
python=${3:-python3}
mkdir -p "$folder"
cd "$folder"

"$python" - <<'PYTHON'
import csv
import numpy as np
from sklearn.datasets import load_digits, load_wine

digits = load_digits()
np.save("digits.npy", digits.images.astype(np.uint8) * 15)
np.save("digit_labels.npy", digits.target)
wine = load_wine()
with open("wine.csv", "w", newline="") as f:
    out = csv.writer(f)
    out.writerow(["id", *wine.feature_names, "cultivar"])
    for i, (x, y) in enumerate(zip(wine.data, wine.target)):
        row = [f"{v:g}" for v in x]
        if i == 17:
            row[2] = ""
        out.writerow([i, *row, wine.target_names[y]])
PYTHON

"$program" search --data digits.npy --labels digit_labels.npy --db digits.db --latent 8 --sampler evolution --time 30s
"$program" apply digits.db best --output latent,label -o codes.csv
"$program" apply digits.db best --sheet digits.png --worst
"$program" report digits.db -o digits.html
"$program" search --data wine.csv --labels cultivar --drop id --missing mean --db wine.db --sampler evolution --time 30s
"$program" apply wine.db best --output reconstruction,error,label -o wines.csv
"$program" report wine.db -o wine.html
