"""What ``rustorch.save`` and ``rustorch.load`` are made of.

``archive`` reads and writes the zip container, ``legacy`` the stream PyTorch wrote before version 1.6; ``interpreter``
reads pickle opcodes, ``allowed`` lists every global it knows, ``writer`` writes opcodes; ``storages`` moves bytes
between files and tensors, ``placement`` between devices. No module here imports, looks up or calls anything by a name
found in a file.
"""
