"""Control plane: decides. Never imports `jwst`, `stdatamodels`, `stcal` or `crds`."""
