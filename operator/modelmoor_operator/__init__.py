"""One ModelDeployment in, a served model out: the operator of Modelmoor."""
