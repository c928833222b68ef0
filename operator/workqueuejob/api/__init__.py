"""The resource WorkQueueJob, `wqj.dev/v1alpha1`, as pydantic models; `crds/` comes from them."""
