#!/bin/bash
# Train on several machines without SLURM; on each of them: examples/cluster/train_torchrun.sh HOST DATA RUN
#
# HOST is the machine where all meet, the same on each. One machine is enough to go on (--nnodes 1:2): when the other
# is lost, torchrun starts the rest again after a minute, and they go on from the last checkpoint (--go-on). A machine
# that comes back joins at the next restart. HOST itself must not be lost.

set -euo pipefail
host=${1:?the machine where all meet}
data=${2:?the folder with images}
run=${3:?the run folder}

torchrun --nnodes 1:2 --nproc-per-node "${DEVICES:-4}" --max-restarts 10 \
  --rdzv-backend c10d --rdzv-endpoint "$host:29500" \
  -m infomax pretrain amdim-cifar10 --data "$data" --out "$run" --epochs 100 --go-on
