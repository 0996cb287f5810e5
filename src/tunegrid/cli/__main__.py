"""`python -m tunegrid.cli`: the command line without an installed script."""

from tunegrid.cli.main import main

main()
