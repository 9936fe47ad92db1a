"""Named streams: in this process, and between processes, machines and sites over Zenoh."""
