"""The whole system on one machine: `clipmesh up`, `demo`, `status`, `doctor`; also the fixture of the end-to-end tests."""
