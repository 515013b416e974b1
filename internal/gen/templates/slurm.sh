#!/bin/sh
# Printed by: << .Command >>
#
# Runs a plan of ldlab in << .Shards >> tasks of a Slurm array. Nodes need QEMU and nothing
# else. Submit it from a directory that all nodes share:
#
#   ldlab plan -o plan.json<< .Plan >>
#   ldlab bundle -o ldlab.tar.zst plan.json
#   tar --zstd -xf ldlab.tar.zst ldlab
#   sbatch slurm.sh
#
# and when all tasks have ended:
#
#   ./ldlab merge -o merged shard-*; ./ldlab report merged
#
# Slurm starts a task again whose node failed. One that failed by itself is started again
# by its last lines, three times at most. The task keeps what it had measured.
#
#SBATCH --job-name=ldlab
#SBATCH --array=1-<< .Shards >>
#SBATCH --cpus-per-task=2
#SBATCH --mem=6G
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=shard-%a.log
./ldlab run --bundle ldlab.tar.zst --shard "$SLURM_ARRAY_TASK_ID/<< .Shards >>" \
	--resume --out "shard-$SLURM_ARRAY_TASK_ID" && exit
status=$?
[ "$status" = 2 ] || # a mistake in the command
	[ "${SLURM_RESTART_COUNT:-0}" -ge 3 ] ||
	scontrol requeue "$SLURM_JOB_ID"
exit "$status"
