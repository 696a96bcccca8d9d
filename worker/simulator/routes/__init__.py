"""The HTTP operations on mail: they read the request, ask the tenant and wrap the answer."""
