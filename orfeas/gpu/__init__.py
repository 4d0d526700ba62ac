"""What computes on a device. torch is imported in this package and nowhere else."""
