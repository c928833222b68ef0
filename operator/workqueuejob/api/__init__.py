"""The resource `wqj.dev/v1alpha1` WorkQueueJob as pydantic models; `crds/` is generated from them."""
