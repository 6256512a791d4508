#!/bin/bash -eu
# Builds the harnesses in OSS-Fuzz's base-builder-python; the work directory is the repository.
pip3 install '.[data]'
for harness in tests/fuzz/fuzz_*.py; do
  # xpnn imports parts of itself late, where PyInstaller does not see it.
  compile_python_fuzzer "$harness" --collect-submodules xpnn --collect-data xpnn
done
