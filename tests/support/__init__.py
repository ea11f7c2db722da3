"""What several layers of tests share: the machine's tools, a control plane, and the operator as a process."""
