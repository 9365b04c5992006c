"""`python -m custom_router.cli`, for where the command is not on the path."""

from custom_router.cli import main

main()
