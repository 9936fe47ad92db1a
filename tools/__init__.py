"""What the project needs beside its code: generated parts of the documentation."""
