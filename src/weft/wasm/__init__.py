"""The sandbox: how a guest is compiled, limited, called and served."""
