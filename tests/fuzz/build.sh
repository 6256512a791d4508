#!/bin/bash -eu
# Builds the harnesses in OSS-Fuzz's base-builder-python; the work directory is the repository.
pip3 install '.[data]'
for harness in tests/fuzz/fuzz_*.py; do
  # Parts of both packages are imported late, where PyInstaller does not see it.
  compile_python_fuzzer "$harness" --collect-submodules xpnn --collect-data xpnn \
    --collect-submodules array_api_compat
done
