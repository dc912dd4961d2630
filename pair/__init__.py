"""What an object pair is, byte for byte: agreed on by compiler and runtime, pure, and without a syscall."""
