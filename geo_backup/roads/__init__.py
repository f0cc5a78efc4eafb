"""The road network and the field of arrival times that an incident radiates over it."""
