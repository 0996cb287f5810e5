"""What a sweep would cost, before any of it is run: see `tunegrid.plan.planning`."""
