module example.com/modelmoor/clients

go 1.24
