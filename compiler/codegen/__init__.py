"""From a plan to BPF objects by LLVM; the only room that knows llvmlite."""
