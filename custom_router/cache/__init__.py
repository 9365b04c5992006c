"""The semantic cache: answers given again to the same question, or to one that provably means the same."""
