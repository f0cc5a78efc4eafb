"""The HTTP and websocket face of a node, as the contract has it."""
