"""The routes of wasmCloud's inference example, over the served models."""
