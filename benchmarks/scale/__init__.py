"""Scale: listing, planning and reading manifests of many millions of objects."""
