"""What the protocols mean, whichever door a request comes through: the doors hand in plain values.

v2.py          parameters of the Open Inference Protocol v2: content types, and the forms of outputs
v2_outputs.py  an output in the form that was asked for
tfs.py         TensorFlow Serving's signatures, versions, labels and states

v2.py and tfs.py bring no numpy: the HTTP door opens before it is there.
"""
