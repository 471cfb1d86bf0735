#!/usr/bin/env bash
# threadpoolctl's limit of OpenMP holds for the thread that sets it, and that of BLAS for the whole process.
#
# Expected: inside `with threadpool_limits(1)` nothing in the process uses more than one thread, as for BLAS.
# Seen with threadpoolctl 3.6.0, scikit-learn 1.7.2 and NumPy 2.2.6 (Linux x86-64, 2 processors): in another Python
# thread, scikit-learn's OpenMP loops still take every processor, because OpenMP keeps its number of threads for each
# thread apart. So a limit that is set by the main thread does not reach a pool of worker threads.
#
#   OpenMP, main thread: 1    OpenMP, other thread: 2    BLAS, other thread: 1
#
# Needs two processors or more. Fails if this changes.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check threadpoolctl==3.6.0 scikit-learn==1.7.2 numpy==2.2.6
cd "$folder"
env -u OMP_NUM_THREADS -u OPENBLAS_NUM_THREADS "$folder/venv/bin/python" - <<'PYTHON'
import threading

from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
from threadpoolctl import threadpool_info, threadpool_limits


def in_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def blas_threads():
    return max(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")


processors = _openmp_effective_n_threads()
assert processors > 1, "needs two processors"
with threadpool_limits(1):
    here, there = _openmp_effective_n_threads(), in_thread(_openmp_effective_n_threads)
    blas = in_thread(blas_threads)
print(f"OpenMP, main thread: {here}    OpenMP, other thread: {there}    BLAS, other thread: {blas}")
assert (here, there, blas) == (1, processors, 1)
PYTHON
