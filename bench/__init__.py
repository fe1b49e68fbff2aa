"""Side-by-side benchmarks: `clipmesh bench` runs ours and a plain way of doing the same in turns and prints the ratios of that one run."""
